"""`tutti observe setup` on Kibana: import the dashboards, put the rules."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

import httpx

from observability.elastic.steps import SetupStep, State
from observability.kibana.merging import merged, same
from observability.kibana.objects import ndjson
from observability.kibana.rules import RULES, Rule

Json = dict[str, Any]
Version = tuple[int, ...]

TIMEOUT = 60.0
HEADERS = {"kbn-xsrf": "true"}
INTERNAL = {"x-elastic-internal-origin": "Kibana"}  # without it Kibana 9 refuses its internal routes
OBJECTS: Version = (8, 11)  # the row of links
FIXED_IDS: Version = (8, 17)  # before, the id of a rule had to be a UUID
ARTIFACTS: Version = (9, 1)
KEY_SETTING = "xpack.encryptedSavedObjects.encryptionKey"


class KibanaRefused(RuntimeError):
    """Kibana did not take something; the message says what and why."""


@dataclass(frozen=True)
class Access:
    """How to sign in: with an API key, as a user, or not at all."""

    api_key: str | None = None
    user: tuple[str, str] | None = None

    def client(self, url: str, verify: ssl.SSLContext | bool = True) -> httpx.Client:
        """A client of this Kibana."""
        headers = HEADERS | ({"authorization": f"ApiKey {self.api_key}"} if self.api_key else {})
        return httpx.Client(
            base_url=url.rstrip("/"), headers=headers, auth=self.user, timeout=TIMEOUT, verify=verify
        )


def setup(
    url: str, access: Access, *, runbooks: str, replace: bool = False, verify: ssl.SSLContext | bool = True
) -> list[SetupStep]:
    """Bring Kibana's dashboards and rules to where they should be; as often as one likes.

    What people made of them stays: dashboards that are there are left alone, rules keep their actions, tags,
    linked dashboards and guides.

    Args:
        url: Where Kibana is, with its base path if it has one.
        access: A key or a user that may manage saved objects and rules. Rules run with a key that Kibana
            makes for this user, or with this key itself.
        verify: Whom to believe over TLS.
        runbooks: Address of the runbooks, to which each rule links.
        replace: Put our dashboards in the place of those that are there.

    Returns:
        What was done.

    Raises:
        KibanaRefused: It answered with an error, or is too old.
        httpx.TransportError: It does not answer.
    """
    with access.client(url, verify) as kibana:
        version = _version(kibana)
        if version < OBJECTS:
            raise KibanaRefused(
                f"Kibana {_dotted(version)} is too old; its dashboards need {_dotted(OBJECTS)}"
            )
        steps = [_import(kibana, replace=replace)]
        if version < FIXED_IDS:
            told = f"Kibana {_dotted(version)} gives rules no fixed id; that needs {_dotted(FIXED_IDS)}"
            return [*steps, SetupStep("rules", "lacking", told)]
        if (lacking := _unready(kibana)) is not None:
            return [*steps, lacking]
        return [*steps, *(_rule(kibana, rule, runbooks, version >= ARTIFACTS) for rule in RULES)]


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def _version(kibana: httpx.Client) -> Version:
    told = _checked(kibana.get("/api/status"), "to tell its status")
    number = told.get("version", {}).get("number")
    if number is None:  # so it answers whoever is not signed in
        raise KibanaRefused("Kibana tells its version only to who is signed in; give a key or --user")
    return tuple(int(part) for part in number.split("-")[0].split(".")[:2])


def _unready(kibana: httpx.Client) -> SetupStep | None:
    """What keeps this Kibana from running rules."""
    health = _checked(kibana.get("/api/alerting/_health"), "to tell how alerting stands")
    if not health["has_permanent_encryption_key"]:
        told = f"set {KEY_SETTING} in kibana.yml and restart it: rules keep their API keys encrypted with it"
        return SetupStep("rules", "lacking", told)
    return None


def _import(kibana: httpx.Client, *, replace: bool) -> SetupStep:
    files = {"file": ("tutti.ndjson", ndjson(), "application/ndjson")}
    params = {"overwrite": "true" if replace else "false"}
    answer = kibana.post("/api/saved_objects/_import", params=params, files=files)
    told = _checked(answer, "the dashboards")
    errors = told.get("errors", [])
    there = [error["id"] for error in errors if error["error"]["type"] == "conflict"]
    if len(there) < len(errors) or (not told.get("success") and not there):
        raise KibanaRefused(f"Kibana did not import all dashboards: {errors or told}")
    state: State = "made" if told["successCount"] else "unchanged"
    detail = f"{told['successCount']} saved objects imported"
    if there:
        detail += f", {len(there)} left as they are: --replace-dashboards puts ours in their place"
    return SetupStep("dashboards", state, detail)


def _rule(kibana: httpx.Client, rule: Rule, runbooks: str, has_artifacts: bool) -> SetupStep:
    what, path = f"rule {rule.id}", f"/api/alerting/rule/tutti-{rule.id}"
    wanted = rule.body(runbooks)
    artifacts = rule.artifacts(runbooks) if has_artifacts else None
    answer = kibana.get(path)
    if answer.status_code == httpx.codes.NOT_FOUND:
        made = wanted if artifacts is None else wanted | {"artifacts": artifacts}
        _checked(kibana.post(path, json=made), f"the {what}")
        return SetupStep(what, "made")
    found = _checked(answer, f"to tell of the {what}")
    if has_artifacts and "artifacts" not in found:
        found |= _hidden_artifacts(kibana, rule)
    body = merged(found, wanted, artifacts)
    if same(found, body):
        return SetupStep(what, "unchanged")
    _checked(kibana.put(path, json=body), f"the {what}")
    kept = len(body["actions"])
    return SetupStep(what, "upgraded", f"its {kept} actions stay" if kept else "")


def _hidden_artifacts(kibana: httpx.Client, rule: Rule) -> Json:
    """Ask as Kibana's own pages do: 9.1 tells of artifacts nowhere else, and an update drops them."""
    answer = kibana.get(f"/internal/alerting/rule/tutti-{rule.id}", headers=INTERNAL)
    told = _checked(answer, f"to tell what people linked to the rule {rule.id}, which an update would drop")
    return {"artifacts": told.get("artifacts") or {}}


def _checked(answer: httpx.Response, what: str) -> Json:
    if answer.is_error:
        raise KibanaRefused(f"Kibana refused {what} with {answer.status_code}: {answer.text[:500]}")
    told: Json = answer.json()
    return told
