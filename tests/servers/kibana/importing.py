"""The import of saved objects, as far as it looks at them; and what a dashboard's page would stumble over.

Read in elastic/kibana: the types' schemas (`schemas` names them) and, for panels, `panel_bwc.ts`
(28ded81c: main) and `transform_panels_out.ts` (04c39255: main) under
src/platform/plugins/shared/dashboard/server/api/transforms/out: how titles and `panelRefName` of older
files are read; for drilldowns `OPEN_IN_DISCOVER_DRILLDOWN` in
x-pack/platform/plugins/shared/lens/public/trigger_actions/open_in_discover_drilldown.tsx (1121680c).
"""

from __future__ import annotations

import json
from typing import Any

from tests.servers.kibana import schemas
from tests.servers.kibana.schemas import Refused

Json = dict[str, Any]

PANEL = schemas.exactly(
    "type panelIndex gridData embeddableConfig",
    "title version panelRefName",
    gridData=schemas.exactly("x y w h i"),
)
OF_A_LENS = {"title", "description", "attributes", "enhancements", "hidePanelTitles"}
DRILLDOWNS = {"OPEN_IN_DISCOVER_DRILLDOWN", "DASHBOARD_TO_DASHBOARD_DRILLDOWN", "URL_DRILLDOWN"}


def check_object(found: Json) -> None:
    """Refuse a saved object that Kibana would."""
    schemas.check(found, schemas.SAVED, found.get("id", "?"))
    kind = found["type"]
    if kind not in schemas.ATTRIBUTES:
        raise Refused(f"Unsupported saved object type: {kind}")
    schemas.check(found["attributes"], schemas.ATTRIBUTES[kind], f"{found['id']}.attributes")
    version = tuple(map(int, found.get("typeMigrationVersion", "0.0.0").split(".")[:2]))
    if version > schemas.NEWEST[kind]:
        raise Refused(f"{found['id']} belongs to a more recent version of Kibana")
    _check_strings(found["attributes"])
    if kind == "dashboard":
        _check_dashboard(found)
    if kind == "links":
        _check_named(found, {link["destinationRefName"] for link in found["attributes"]["links"]})
    if kind == "search":
        source = json.loads(found["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        _check_named(found, {source["indexRefName"]})


def _check_strings(node: Any, name: str = "") -> None:
    if isinstance(node, dict):
        for key, item in node.items():
            _check_strings(item, key)
    elif name.endswith(("JSON", "Map")):
        json.loads(node)


def _check_named(found: Json, wanted: set[str]) -> None:
    """Every name that is used has its reference, and none is left over."""
    names = [reference["name"] for reference in found["references"]]
    if sorted(names) != sorted(wanted):
        raise Refused(f"{found['id']}: references {sorted(names)} where {sorted(wanted)} are used")


def _check_dashboard(found: Json) -> None:
    wanted = set()
    for panel in json.loads(found["attributes"]["panelsJSON"]):
        schemas.check(panel, PANEL, panel.get("panelIndex", "?"))
        if panel["gridData"]["i"] != panel["panelIndex"]:
            raise Refused("gridData.i is not the panel's index")
        wanted |= {f"{panel['panelIndex']}:{name}" for name in _check_panel(panel)}
    controls = json.loads(found["attributes"]["controlGroupInput"]["panelsJSON"])
    wanted |= {f"controlGroup_{name}:optionsListDataView" for name in controls}
    _check_named(found, wanted)


def _check_panel(panel: Json) -> set[str]:
    """Look into a panel; gives the names of its references."""
    config = panel["embeddableConfig"]
    match panel["type"]:
        case "links":
            return {panel["panelRefName"]}
        case "visualization":
            shown = config["savedVis"]
            if set(shown) - {"title", "description", "type", "params", "uiState", "data"}:
                raise Refused("an attribute that a visualization has not")
            return set()
        case "lens":
            if set(config) - OF_A_LENS:
                raise Refused(f"a Lens panel has no {set(config) - OF_A_LENS}")
            for event in config.get("enhancements", {}).get("dynamicActions", {}).get("events", []):
                if event["action"]["factoryId"] not in DRILLDOWNS or event["triggers"] != ["FILTER_TRIGGER"]:
                    raise Refused("a drilldown that is not known")
            return _check_lens(config["attributes"])
    raise Refused(f"unknown panel type {panel['type']}")


def _check_lens(attributes: Json) -> set[str]:
    """Every column that a picture or another column names is there, and in the order."""
    drawn = attributes["state"]["visualization"]
    layers = attributes["state"]["datasourceStates"]["formBased"]["layers"]
    for layer_id, layer in layers.items():
        columns = layer["columns"]
        if sorted(columns) != sorted(layer["columnOrder"]):
            raise Refused("columnOrder does not list the columns")
        used = {name for column in columns.values() for name in column.get("references", [])}
        for of in drawn.get("layers", [drawn]):
            if of["layerId"] != layer_id:
                raise Refused("the picture is of another layer")
            used |= {of[key] for key in of if key.endswith("Accessor")} | set(of.get("accessors", []))
        if used != set(columns):
            raise Refused(f"columns {set(columns) ^ used} are used and absent, or there and unused")
    names = {reference["name"] for reference in attributes["references"]}
    if names != {f"indexpattern-datasource-layer-{layer_id}" for layer_id in layers}:
        raise Refused("a layer without its data view")
    return names
