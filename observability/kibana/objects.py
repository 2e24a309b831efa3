"""Saved objects: one JSON object a line, as Kibana's import takes them.

The shapes are those of Kibana 8.8 and later. Import migrates what is older than the server and refuses what
is newer, so the versions written here are old on purpose. Attributes that end in JSON are strings.
"""

from __future__ import annotations

from typing import Any

import orjson

from observability.panels import DASHBOARDS, Dashboard, Panel
from observability.panels.query import INDEX

Json = dict[str, Any]

DATA_VIEW = "tutti-logs"
CORE_VERSION = "8.8.0"
DASHBOARD_VERSION = "8.9.0"
DATA_VIEW_VERSION = "8.0.0"
COLUMNS = 48  # of Kibana's grid
HEAD_ROWS, PANEL_ROWS = 4, 15
CONTROLS = (("tutti.engine", "Engine"), ("host.name", "Instance"), ("tutti.lane", "Lane"))


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


def data_view() -> Json:
    """The data view that all panels and controls refer to."""
    return {
        "type": "index-pattern",
        "id": DATA_VIEW,
        "attributes": {"title": INDEX, "name": "Tutti", "timeFieldName": "@timestamp"},
        "references": [],
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": DATA_VIEW_VERSION,
    }


def dashboard(described: Dashboard) -> Json:
    """One dashboard with its panels and controls."""
    controls = {
        name: _control(name, field, title, order) for order, (name, field, title) in enumerate(_controls())
    }
    return {
        "type": "dashboard",
        "id": described.id,
        "attributes": {
            "title": f"Tutti: {described.title}",
            "description": described.question,
            "panelsJSON": _text([_heading(described), *_placed(described.panels)]),
            "optionsJSON": _text({"useMargins": True, "syncColors": True, "hidePanelTitles": False}),
            "timeRestore": True,
            "timeFrom": "now-24h",
            "timeTo": "now",
            "kibanaSavedObjectMeta": {
                "searchSourceJSON": _text({"query": {"query": "", "language": "kuery"}, "filter": []})
            },
            "controlGroupInput": {
                "chainingSystem": "HIERARCHICAL",
                "controlStyle": "oneLine",
                "ignoreParentSettingsJSON": _text({}),
                "panelsJSON": _text(controls),
            },
        },
        "references": [
            {"type": "index-pattern", "id": DATA_VIEW, "name": f"controlGroup_{name}:optionsListDataView"}
            for name in controls
        ],
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": DASHBOARD_VERSION,
    }


def _controls() -> list[tuple[str, str, str]]:
    return [(field.replace(".", "-"), field, title) for field, title in CONTROLS]


def _control(name: str, field: str, title: str, order: int) -> Json:
    chosen = {"id": name, "fieldName": field, "title": title}
    return {
        "order": order,
        "width": "medium",
        "grow": True,
        "type": "optionsListControl",
        "explicitInput": chosen,
    }


def _placed(panels: tuple[Panel, ...]) -> list[Json]:
    """Two panels a row; an odd last one takes the whole row."""
    placed = []
    for number, panel in enumerate(panels):
        alone = number == len(panels) - 1 and number % 2 == 0
        width = COLUMNS if alone else COLUMNS // 2
        where = {
            "x": number % 2 * COLUMNS // 2,
            "y": HEAD_ROWS + number // 2 * PANEL_ROWS,
            "w": width,
            "h": PANEL_ROWS,
            "i": panel.id,
        }
        placed.append(_vega(panel, where))
    return placed


def _visualization(index: str, where: Json, title: str, kind: str, params: Json) -> Json:
    saved = {
        "title": title,
        "type": kind,
        "params": params,
        "uiState": {},
        "data": {"aggs": [], "searchSource": {}},
    }
    return {
        "type": "visualization",
        "panelIndex": index,
        "gridData": where,
        "title": title,
        "embeddableConfig": {"savedVis": saved},
    }


def _vega(panel: Panel, where: Json) -> Json:
    spec = panel.kibana_spec() | {"description": panel.note}
    return _visualization(panel.id, where, panel.title, "vega", {"spec": _text(spec)})


def _heading(described: Dashboard) -> Json:
    notes = "\n".join(f"- **{panel.title}**: {panel.note}" for panel in described.panels)
    others = " · ".join(f"[{other.title}](#/view/{other.id})" for other in DASHBOARDS)
    params = {
        "markdown": f"**{described.question}** {others}\n\n{notes}",
        "fontSize": 12,
        "openLinksInNewTab": False,
    }
    where = {"x": 0, "y": 0, "w": COLUMNS, "h": HEAD_ROWS, "i": "heading"}
    return _visualization("heading", where, "", "markdown", params)


def saved_objects() -> list[Json]:
    """The data view and all dashboards."""
    return [data_view(), *map(dashboard, DASHBOARDS)]


def ndjson() -> bytes:
    """All saved objects as the file that Kibana imports."""
    return b"".join(orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE) for found in saved_objects())
