"""`tutti observe setup` on Kibana: import the dashboards, put the rules."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from observability.elastic.steps import Step
from observability.kibana.objects import ndjson
from observability.kibana.rules import RULES, Rule

TIMEOUT = 60.0
HEADERS = {"kbn-xsrf": "true"}
CREATE_ONLY = ("rule_type_id", "consumer", "enabled")


class KibanaRefused(RuntimeError):
    """Kibana did not take something; the message says what and why."""


def setup(
    url: str, *, api_key: str | None, runbooks: str, verify: ssl.SSLContext | bool = True
) -> list[Step]:
    """Bring Kibana's dashboards and rules to where they should be; as often as one likes.

    Args:
        url: Where Kibana is, with its base path if it has one.
        api_key: A key that may manage saved objects and rules; None where Kibana asks for none.
        verify: Whom to believe over TLS.
        runbooks: Address of the runbooks, to which each rule links.

    Returns:
        What was done.

    Raises:
        KibanaRefused: It answered with an error.
        httpx.TransportError: It does not answer.

    """
    headers = HEADERS | ({"authorization": f"ApiKey {api_key}"} if api_key else {})
    with httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT, verify=verify) as kibana:
        return [_import(kibana), *(_rule(kibana, rule, runbooks) for rule in RULES)]


def _import(kibana: httpx.Client) -> Step:
    files = {"file": ("tutti.ndjson", ndjson(), "application/ndjson")}
    answer = kibana.post("/api/saved_objects/_import", params={"overwrite": "true"}, files=files)
    told = _checked(answer, "the dashboards")
    if not told.get("success"):
        raise KibanaRefused(f"Kibana did not import all dashboards: {told.get('errors')}")
    return Step("dashboards", "made", f"{told['successCount']} saved objects imported")


def _rule(kibana: httpx.Client, rule: Rule, runbooks: str) -> Step:
    path, body = f"/api/alerting/rule/tutti-{rule.id}", rule.body(runbooks)
    answer = kibana.post(path, json=body)
    if answer.status_code != httpx.codes.CONFLICT:
        _checked(answer, f"the rule {rule.id}")
        return Step(f"rule {rule.id}", "made")
    answer = kibana.put(path, json={name: part for name, part in body.items() if name not in CREATE_ONLY})
    _checked(answer, f"the rule {rule.id}")
    return Step(f"rule {rule.id}", "upgraded")


def _checked(answer: httpx.Response, what: str) -> dict[str, Any]:
    if answer.is_error:
        raise KibanaRefused(f"Kibana refused {what} with {answer.status_code}: {answer.text[:500]}")
    told: dict[str, Any] = answer.json()
    return told
