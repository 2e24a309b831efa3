"""What the dashboards stand on: the data view with the formats of its fields, saved searches, the links.

A field's format makes its value a link: from a trace to one song's whole way, from an address to its
refusals. Links are relative to Kibana's `app/`, so they hold under a base path too.
"""

from __future__ import annotations

from typing import Any

import orjson

from observability.panels import DASHBOARDS
from observability.panels.query import INDEX, action_kql

Json = dict[str, Any]

DATA_VIEW = "tutti-logs"
LINKS = "tutti-links"
SONG, REFUSALS, FAILURES = "tutti-song", "tutti-refusals", "tutti-failures-lines"
CORE_VERSION = "8.8.0"
OLD_VERSION = "8.0.0"  # import migrates what is older than the server and refuses what is newer


def text(value: Any) -> str:
    """JSON within JSON, as attributes whose name ends so are kept."""
    return orjson.dumps(value).decode()


def saved(kind: str, name: str, attributes: Json, references: list[Json], version: str | None) -> Json:
    """One saved object."""
    found = {
        "type": kind,
        "id": name,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": CORE_VERSION,
    }
    return found if version is None else found | {"typeMigrationVersion": version}


def _link(search: str, field: str) -> Json:
    """The format that turns a value into a link to a saved search, asked for just that value."""
    query = f"(language:kuery,query:'{field}:%22{{{{value}}}}%22')"
    template = f"discover#/view/{search}?_a=(query:{query})"
    params = {
        "type": "a",
        "urlTemplate": template,
        "labelTemplate": "{{value}}",
        "openLinkInCurrentTab": True,
    }
    return {"id": "url", "params": params}


def _number(kind: str, pattern: str) -> Json:
    return {"id": kind, "params": {"pattern": pattern}}


DURATION = {
    "id": "duration",
    "params": {
        "inputFormat": "nanoseconds",
        "outputFormat": "humanizePrecise",
        "outputPrecision": 1,
        "useShortSuffix": True,
    },
}
BYTES = _number("bytes", "0,0.[0]b")
PERCENT = _number("percent", "0.[0]%")
FORMATS = {
    "trace.id": _link(SONG, "trace.id"),
    "tutti.job.id": _link(SONG, "tutti.job.id"),
    "source.ip": _link(REFUSALS, "source.ip"),
    "event.duration": DURATION,
    "tutti.gpu.memory": BYTES,
    "tutti.gpu.busy": PERCENT,
    "tutti.gpu.temperature": _number("number", "0.[0]"),
    "tutti.storage.free_bytes": BYTES,
    "tutti.storage.total_bytes": BYTES,
    "tutti.storage.used_ratio": PERCENT,
    "tutti.service.hour.failed_share": PERCENT,
    "tutti.service.recent.failed_share": PERCENT,
    "http.response.body.bytes": BYTES,
}


def data_view() -> Json:
    """The data view that all panels, controls and searches refer to."""
    attributes = {
        "title": INDEX,
        "name": "Tutti",
        "timeFieldName": "@timestamp",
        "fieldFormatMap": text(FORMATS),
    }
    return saved("index-pattern", DATA_VIEW, attributes, [], OLD_VERSION)


def _search(name: str, title: str, description: str, query: str, columns: list[str], order: str) -> Json:
    source = {
        "query": {"query": query, "language": "kuery"},
        "filter": [],
        "indexRefName": "kibanaSavedObjectMeta.searchSourceJSON.index",
    }
    attributes = {
        "title": f"Tutti: {title}",
        "description": description,
        "columns": columns,
        "sort": [["@timestamp", order]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": text(source)},
    }
    reference = {"type": "index-pattern", "id": DATA_VIEW, "name": source["indexRefName"]}
    return saved("search", name, attributes, [reference], OLD_VERSION)


def searches() -> list[Json]:
    """The saved searches."""
    return [
        _search(
            SONG,
            "one song by its trace id",
            'All lines of one song, the first first: put its id into the query, trace.id : "...".',
            "trace.id : *",
            [
                "event.action",
                "service.name",
                "host.name",
                "tutti.job.id",
                "tutti.attempt",
                "event.duration",
                "trace.id",
            ],
            "asc",
        ),
        _search(
            REFUSALS,
            "refusals by address",
            "Every refused request: who asked, what for, and why not.",
            action_kql("job.refused", "login.refused"),
            ["source.ip", "tutti.reason", "tutti.key.id", "tutti.prompt.chars", "trace.id"],
            "desc",
        ),
        _search(
            FAILURES,
            "failures",
            "Every failed job: its cause, its machine, and the way to all its lines.",
            action_kql("job.failed"),
            ["tutti.error.class", "host.name", "tutti.gpu.id", "tutti.attempt", "tutti.job.id", "trace.id"],
            "desc",
        ),
    ]


def links() -> Json:
    """The row of links over every dashboard: to the other dashboards and to the saved searches."""
    made: list[Json] = []
    references: list[Json] = []
    for described in DASHBOARDS:
        name = f"link_{described.id}_dashboard"
        options = {"openInNewTab": False, "useCurrentFilters": True, "useCurrentDateRange": True}
        made.append({"type": "dashboardLink", "label": described.title, "destinationRefName": name})
        made[-1] |= {"id": described.id, "order": len(made) - 1, "options": options}
        references.append({"type": "dashboard", "id": described.id, "name": name})
    attributes = {
        "title": "Tutti: dashboards",
        "description": "From one dashboard of Tutti to the next, with the same time and filters.",
        "layout": "horizontal",
        "links": made,
    }
    return saved("links", LINKS, attributes, references, None)
