"""`tutti observe setup` on Elasticsearch: bring templates, streams and the key to where they should be.

Every step looks first and changes only what differs, so it can run as often as one likes. What a server lacks
is said, not passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from elasticsearch import ApiError, Elasticsearch

from observability.elastic import templates
from observability.elastic.steps import State, Step

KEY_NAME = "tutti-ship"
NOT_THERE = {400, 404, 405}  # an unknown path answers 400 or 405, a known one without its object 404


class NewerThanThis(RuntimeError):
    """A newer Tutti has set this server up."""


def setup(server: Elasticsearch, *, retention_days: int = 30, new_key: bool = False) -> list[Step]:
    """Set Elasticsearch up for Tutti's data streams, or bring an older set-up to this version.

    Args:
        server: A client whose credentials may manage templates and API keys.
        retention_days: How long lines are kept.
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
    steps += _index_template(server, retention_days)
    if any(step.state == "upgraded" for step in steps):
        steps += _roll_over(server)
    steps += [_retention(server, retention_days), _failure_store(server), _key(server, new_key=new_key)]
    return steps


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


def _lacking_built_ins(server: Elasticsearch) -> Step:
    lacking = [
        name
        for name in templates.BUILT_IN
        if _get_or_none(lambda name=name: server.cluster.get_component_template(name=name).body) is None  # type: ignore[misc]
    ]
    if lacking:
        return Step("built-ins", "lacking", f"{', '.join(lacking)}: other ECS fields become keywords")
    return Step("built-ins", "unchanged", "the server's own mappings cover other ECS fields")


def _component(server: Elasticsearch, name: str, body: dict[str, Any]) -> Step:
    found = _get_or_none(lambda: server.cluster.get_component_template(name=name).body)
    before = found["component_templates"][0]["component_template"] if found else None
    if before and before.get("_meta") == body["_meta"]:
        return Step(name, "unchanged")
    server.cluster.put_component_template(
        name=name, template=body["template"], version=body["version"], meta=body["_meta"]
    )
    return Step(name, "upgraded" if before else "made")


def _index_template(server: Elasticsearch, retention_days: int) -> list[Step]:
    found = _get_or_none(lambda: server.indices.get_index_template(name=templates.NAME).body)
    before = found["index_templates"][0]["index_template"] if found else None
    if before and before.get("_meta") == {**templates.meta(), "retention_days": retention_days}:
        return [Step(templates.NAME, "unchanged")]
    state: State = "upgraded" if before else "made"
    _put_index_template(server, templates.index_template(retention_days))
    return [Step(templates.NAME, state, f"new streams keep their lines {retention_days} days")]


def _put_index_template(server: Elasticsearch, body: dict[str, Any]) -> None:
    server.perform_request(
        "PUT",
        f"/_index_template/{templates.NAME}",
        headers={"accept": "application/json", "content-type": "application/json"},
        body=body,
    )


def _roll_over(server: Elasticsearch) -> list[Step]:
    """Give existing streams a new backing index, which is where new mappings take hold."""
    streams = server.indices.resolve_index(name=templates.PATTERN).body["data_streams"]
    for stream in streams:
        server.indices.rollover(alias=stream["name"])
    return [Step(stream["name"], "upgraded", "rolled over to the new mappings") for stream in streams]


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


def _retention(server: Elasticsearch, days: int) -> Step:
    """Bring streams that are there to this retention: a template speaks only to those that come."""
    found = _ask(server, f"/_data_stream/{templates.PATTERN}/_lifecycle")
    if found is None:
        return Step("retention", "lacking", "no data stream lifecycle here: delete old indices yourself")
    wanted = f"{days}d"
    others = [
        stream["name"]
        for stream in found["data_streams"]
        if stream.get("lifecycle", {}).get("data_retention") != wanted
    ]
    if not others:
        return Step("retention", "unchanged", f"lines older than {days} days are deleted")
    server.indices.put_data_lifecycle(name=others, data_retention=wanted, enabled=True)
    return Step("retention", "upgraded", f"{', '.join(others)}: {days} days")


def _failure_store(server: Elasticsearch) -> Step:
    """Say where lines go that do not fit the mappings: since 9.2 a stream of logs keeps them by itself."""
    if _ask(server, f"/_data_stream/{templates.PATTERN}/_options") is not None:
        return Step("failure store", "unchanged", "lines that do not fit are kept there and counted")
    return Step("failure store", "lacking", "lines that do not fit go to the shipper's dead letters")


def _key(server: Elasticsearch, *, new_key: bool) -> Step:
    try:
        found = server.security.get_api_key(name=KEY_NAME, active_only=True).body["api_keys"]
    except ApiError as problem:
        if problem.meta.status not in NOT_THERE | {500}:
            raise
        return Step("API key", "lacking", "no security here: anybody who reaches this server may write")
    if found and not new_key:
        return Step("API key", "unchanged", f"{KEY_NAME} exists; --new-key makes another")
    made = server.security.create_api_key(
        name=KEY_NAME, role_descriptors=templates.shipper_role(), metadata=templates.meta()
    )
    return Step("API key", "made", f"TUTTI_ELASTICSEARCH_API_KEY={made['encoded']}")
