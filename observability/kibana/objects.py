"""Saved objects: one JSON object a line, as Kibana's import takes them.

The shapes are those of Kibana 8.11 and later. Import migrates what is older than the server and refuses what
is newer, so the versions written here are old on purpose. Attributes that end in JSON are strings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from observability.kibana import lens, library
from observability.kibana.library import DATA_VIEW, LINKS, saved, text
from observability.panels import DASHBOARDS, Dashboard, Panel
from observability.panels.lens import Lens

Json = dict[str, Any]

DASHBOARD_VERSION = "8.9.0"
COLUMNS = 48  # of Kibana's grid
LINK_ROWS, FIGURE_ROWS, PANEL_ROWS = 3, 7, 15
REFRESH_MILLISECONDS = 60_000
CONTROLS = (("tutti.engine", "Engine"), ("host.name", "Instance"), ("tutti.lane", "Lane"))


def dashboard(described: Dashboard) -> Json:
    """One dashboard with its links, panels and controls."""
    controls = {
        name: _control(name, field, title, order) for order, (name, field, title) in enumerate(_controls())
    }
    attributes = {
        "title": f"Tutti: {described.title}",
        "description": described.question,
        "panelsJSON": text([_links(), *_placed(described.panels)]),
        "optionsJSON": text({"useMargins": True, "syncColors": True, "hidePanelTitles": False}),
        "timeRestore": True,
        "timeFrom": "now-24h",
        "timeTo": "now",
        "refreshInterval": {"pause": False, "value": REFRESH_MILLISECONDS},
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": text({"query": {"query": "", "language": "kuery"}, "filter": []})
        },
        "controlGroupInput": {
            "chainingSystem": "HIERARCHICAL",
            "controlStyle": "oneLine",
            "ignoreParentSettingsJSON": text({}),
            "panelsJSON": text(controls),
        },
    }
    references = [
        {"type": "index-pattern", "id": DATA_VIEW, "name": f"controlGroup_{name}:optionsListDataView"}
        for name in controls
    ]
    references.append({"type": "links", "id": LINKS, "name": "links:panel_links"})
    references += [
        one | {"name": f"{panel.id}:{one['name']}"}
        for panel in described.panels
        if isinstance(panel.kibana, Lens)
        for one in [lens.reference(DATA_VIEW)]
    ]
    return saved("dashboard", described.id, attributes, references, DASHBOARD_VERSION)


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


def _links() -> Json:
    where = {"x": 0, "y": 0, "w": COLUMNS, "h": LINK_ROWS, "i": "links"}
    return {
        "type": "links",
        "panelIndex": "links",
        "panelRefName": "panel_links",
        "gridData": where,
        "embeddableConfig": {"hidePanelTitles": True},
    }


def _placed(panels: tuple[Panel, ...]) -> list[Json]:
    return [
        _lens(panel, panel.kibana, where) if isinstance(panel.kibana, Lens) else _vega(panel, where)
        for panel, where in _places(panels)
    ]


def _places(panels: tuple[Panel, ...]) -> Iterator[tuple[Panel, Json]]:
    """Figures in one row; below them two panels a row, an odd last one as wide as the row."""
    figures = [panel for panel in panels if isinstance(panel.kibana, Lens) and panel.kibana.kind == "figure"]
    others = [panel for panel in panels if panel not in figures]
    top = LINK_ROWS
    for number, panel in enumerate(figures):
        width = COLUMNS // len(figures)
        yield panel, {"x": number * width, "y": top, "w": width, "h": FIGURE_ROWS, "i": panel.id}
    top += FIGURE_ROWS if figures else 0
    for number, panel in enumerate(others):
        alone = number == len(others) - 1 and number % 2 == 0
        width = COLUMNS if alone else COLUMNS // 2
        where = {"x": number % 2 * COLUMNS // 2, "y": top + number // 2 * PANEL_ROWS}
        yield panel, where | {"w": width, "h": PANEL_ROWS, "i": panel.id}


def _panel(kind: str, panel: Panel, where: Json, config: Json) -> Json:
    named = {"title": panel.title, "description": panel.note}
    return {
        "type": kind,
        "panelIndex": panel.id,
        "gridData": where,
        "title": panel.title,
        "embeddableConfig": named | config,
    }


def _lens(panel: Panel, described: Lens, where: Json) -> Json:
    config: Json = {"attributes": lens.attributes(panel.title, panel.note, described, DATA_VIEW)}
    if described.across is not None:
        config["enhancements"] = {"dynamicActions": {"events": [_drilldown(panel)]}}
    return _panel("lens", panel, where, config)


def _drilldown(panel: Panel) -> Json:
    """A click on a part of the picture leads to its lines."""
    action = {
        "factoryId": "OPEN_IN_DISCOVER_DRILLDOWN",
        "name": "Show the lines in Discover",
        "config": {"openInNewTab": False},
    }
    return {"eventId": f"{panel.id}-lines", "triggers": ["FILTER_TRIGGER"], "action": action}


INNERMOST = re.compile(r"[\[{]\n\s+[^\[\]{}]{1,100}\n\s*[\]}]")


def pretty(spec: Json) -> str:
    """A spec as people edit it: indented, with what has no parts of its own on one line."""
    text = json.dumps(spec, indent=2, ensure_ascii=False)
    return INNERMOST.sub(lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)


def _vega(panel: Panel, where: Json) -> Json:
    spec = {"description": panel.note} | panel.kibana_spec()
    shown = {
        "title": panel.title,
        "description": panel.note,
        "type": "vega",
        "params": {"spec": pretty(spec)},
        "uiState": {},
        "data": {"aggs": [], "searchSource": {}},
    }
    return _panel("visualization", panel, where, {"savedVis": shown})


def saved_objects() -> list[Json]:
    """The data view, the saved searches, the links and all dashboards."""
    return [library.data_view(), *library.searches(), library.links(), *map(dashboard, DASHBOARDS)]


def ndjson() -> bytes:
    """All saved objects as the file that Kibana imports."""
    return b"".join(orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE) for found in saved_objects())
