"""`tutti observe setup` on Elasticsearch: bring templates, streams and the key to where they should be.

Every step looks first and changes only what differs, so it can run as often as one likes. What a server lacks
is said, not passed over.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from elasticsearch import ApiError, Elasticsearch

from observability.elastic import templates
from observability.elastic.steps import SetupStep, State

KEY_NAME = "tutti-ship"
NOT_THERE = {400, 404, 405}  # an unknown path answers 400 or 405, a known one without its object 404
FORBIDDEN = {401, 403}
OF_A_KEY = "derived api keys"  # a key that was made with a key may do nothing (TransportCreateApiKeyAction)


class NewerThanThis(RuntimeError):
    """A newer Tutti has set this server up."""


def setup(
    server: Elasticsearch, *, retention_days: int = 30, failure_days: int = 14, new_key: bool = False
) -> list[SetupStep]:
    """Set Elasticsearch up for Tutti's data streams, or bring an older set-up to this version.

    Args:
        server: A client whose credentials may manage templates and API keys.
        retention_days: How long lines are kept.
        failure_days: How long lines are kept that do not fit the mappings.
        new_key: Make another API key for the shipper even if there is one.

    Returns:
        What was done, in order. A key that was made is in its step's detail, and is shown only once.

    Raises:
        NewerThanThis: The templates are of a later version; nothing was changed.
        elasticsearch.ApiError: The server refused something that every server has.
    """
    found = _version_found(server)
    if found > templates.VERSION:
        raise NewerThanThis(
            f"the templates are of version {found}, this Tutti knows {templates.VERSION}; update Tutti"
        )
    steps = [_lacking_built_ins(server)]
    steps += [_component(server, name, body) for name, body in templates.component_templates().items()]
    steps += _index_template(server, retention_days, failure_days)
    if any(step.state == "upgraded" for step in steps):
        steps += _roll_over(server)
    steps += [_retention(server, retention_days), _failure_store(server, failure_days)]
    return [*steps, _key(server, new_key=new_key)]


def _version_found(server: Elasticsearch) -> int:
    body = _get_or_none(lambda: server.indices.get_index_template(name=templates.NAME).body)
    if not body or not body["index_templates"]:
        return 0
    meta = body["index_templates"][0]["index_template"].get("_meta", {})
    return int(meta.get("version", 0))


def _get_or_none(get: Callable[[], Any]) -> Any:
    try:
        return get()
    except ApiError as problem:
        if problem.meta.status == 404:
            return None
        raise


def _lacking_built_ins(server: Elasticsearch) -> SetupStep:
    lacking = [
        name
        for name in templates.BUILT_IN
        if _get_or_none(lambda name=name: server.cluster.get_component_template(name=name).body) is None  # type: ignore[misc]
    ]
    if lacking:
        return SetupStep("built-ins", "lacking", f"{', '.join(lacking)}: other ECS fields become keywords")
    return SetupStep("built-ins", "unchanged", "the server's own mappings cover other ECS fields")


def _component(server: Elasticsearch, name: str, body: dict[str, Any]) -> SetupStep:
    found = _get_or_none(lambda: server.cluster.get_component_template(name=name).body)
    before = found["component_templates"][0]["component_template"] if found else None
    if before and before.get("_meta") == body["_meta"]:
        return SetupStep(name, "unchanged")
    server.cluster.put_component_template(
        name=name, template=body["template"], version=body["version"], meta=body["_meta"]
    )
    return SetupStep(name, "upgraded" if before else "made")


def _index_template(server: Elasticsearch, days: int, failure_days: int) -> list[SetupStep]:
    found = _get_or_none(lambda: server.indices.get_index_template(name=templates.NAME).body)
    before = found["index_templates"][0]["index_template"] if found else None
    bodies = [templates.index_template(days, failure) for failure in (failure_days, None)]
    if before and before.get("_meta") in [body["_meta"] for body in bodies]:
        return [SetupStep(templates.NAME, "unchanged")]
    state: State = "upgraded" if before else "made"
    try:
        _put_index_template(server, bodies[0])
    except ApiError as problem:
        if problem.meta.status != 400 or "data_stream_options" not in str(problem.body):
            raise
        _put_index_template(server, bodies[1])  # before 8.19 and 9.1 templates know no failure store
    return [SetupStep(templates.NAME, state, f"new streams keep their lines {days} days")]


def _put_index_template(server: Elasticsearch, body: dict[str, Any]) -> None:
    _put(server, f"/_index_template/{templates.NAME}", body)


def _put(server: Elasticsearch, path: str, body: dict[str, Any]) -> None:
    headers = {"accept": "application/json", "content-type": "application/json"}
    server.perform_request("PUT", path, headers=headers, body=body)


def _roll_over(server: Elasticsearch) -> list[SetupStep]:
    """Give existing streams a new backing index, which is where new mappings take hold."""
    streams = server.indices.resolve_index(name=templates.PATTERN).body["data_streams"]
    for stream in streams:
        server.indices.rollover(alias=stream["name"])
    return [SetupStep(stream["name"], "upgraded", "rolled over to the new mappings") for stream in streams]


def _ask(server: Elasticsearch, path: str) -> dict[str, Any] | None:
    """What the server answers; None where it does not know this API."""
    try:
        answer = server.perform_request("GET", path, headers={"accept": "application/json"})
    except ApiError as problem:
        if problem.meta.status not in NOT_THERE:
            raise
        return None
    found: dict[str, Any] = answer.body
    return found


def _retention(server: Elasticsearch, days: int) -> SetupStep:
    """Bring streams that are there to this retention: a template speaks only to those that come."""
    found = _ask(server, f"/_data_stream/{templates.PATTERN}/_lifecycle")
    if found is None:
        return SetupStep("retention", "lacking", "no data stream lifecycle here: delete old indices yourself")
    wanted = f"{days}d"
    others = [
        stream["name"]
        for stream in found["data_streams"]
        if stream.get("lifecycle", {}).get("data_retention") != wanted
    ]
    if not others:
        return SetupStep("retention", "unchanged", f"lines older than {days} days are deleted")
    server.indices.put_data_lifecycle(name=others, data_retention=wanted, enabled=True)
    return SetupStep("retention", "upgraded", f"{', '.join(others)}: {days} days")


def _failure_store(server: Elasticsearch, days: int) -> SetupStep:
    """Turn it on where it is off, and say how it stands: a stream's own state, not what its template wishes.

    Streams of 9.1 and older, and those that were made before their template asked for it, have it off.
    """
    lost = "lines that do not fit go to the shipper's dead letters"
    found = _ask(server, f"/_data_stream/{templates.PATTERN}")
    if found is None:
        return SetupStep(
            "failure store", "lacking", f"this server does not tell how its streams stand: {lost}"
        )
    streams = found["data_streams"]
    if not streams:
        return SetupStep("failure store", "unchanged", "no stream yet; those to come keep what does not fit")
    if not any("failure_store" in stream for stream in streams):
        return SetupStep("failure store", "lacking", f"none before 8.19 and 9.1: {lost}")
    others = [stream["name"] for stream in streams if not _keeps_failures(stream, days)]
    if others:
        names = ",".join(others)
        _put(server, f"/_data_stream/{names}/_options", templates.failure_store(days))
        streams = (_ask(server, f"/_data_stream/{templates.PATTERN}") or found)["data_streams"]
    on = [stream["name"] for stream in streams if _keeps_failures(stream, days)]
    told = f"on in {len(on)} of {len(streams)} streams, kept {days} days"
    if len(on) < len(streams):
        off = ", ".join(sorted({stream["name"] for stream in streams} - set(on)))
        return SetupStep("failure store", "lacking", f"{told}; in {off} {lost}")
    return SetupStep("failure store", "upgraded" if others else "unchanged", told)


def _keeps_failures(stream: dict[str, Any], days: int) -> bool:
    store = stream.get("failure_store", {})
    return bool(store.get("enabled")) and store.get("lifecycle", {}).get("data_retention") == f"{days}d"


def _key(server: Elasticsearch, *, new_key: bool) -> SetupStep:
    try:
        found = server.security.get_api_key(name=KEY_NAME, active_only=True).body["api_keys"]
    except ApiError as problem:
        if problem.meta.status in FORBIDDEN:
            return _no_key("you may not see or make API keys here")
        if problem.meta.status not in NOT_THERE | {500}:
            raise
        return SetupStep("API key", "lacking", "no security here: anybody who reaches this server may write")
    if found and not new_key:
        return SetupStep("API key", "unchanged", f"{KEY_NAME} exists; --new-key makes another")
    try:
        made = server.security.create_api_key(
            name=KEY_NAME, role_descriptors=templates.shipper_role(), metadata=templates.meta()
        )
    except ApiError as problem:
        if problem.meta.status in FORBIDDEN:
            return _no_key("you may not make API keys here")
        if problem.meta.status != 400 or OF_A_KEY not in str(problem.body):
            raise
        return _no_key("an API key cannot make a key that may do anything; run this with --user")
    return SetupStep("API key", "made", f"TUTTI_ELASTICSEARCH_API_KEY={made['encoded']}")


def _no_key(why: str) -> SetupStep:
    """All else is done without it; somebody who may can make it from this."""
    body = {"name": KEY_NAME, "role_descriptors": templates.shipper_role(), "metadata": templates.meta()}
    asked = json.dumps(body, indent=2)
    return SetupStep(
        "API key", "lacking", f"{why}, or let somebody who may send\nPOST /_security/api_key\n{asked}"
    )
