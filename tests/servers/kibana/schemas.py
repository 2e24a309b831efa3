"""What Kibana takes, as JSON schemas of ours: unknown names are refused, as `@kbn/config-schema` does it.

Read in elastic/kibana, as of 9.0 and main (the newest 9.x); the commit of what was read in brackets:
- rules: x-pack/platform/plugins/shared/alerting/common/routes/rule: apis/create/schemas/v1.ts (6b49f2d4:
  as of 9.0, without artifacts), apis/update/schemas/v1.ts (1064da9d: main), request/schemas/v1.ts
  (10e8b77f: main; the longest guide is that of an older one, 1,000 characters);
- their parameters: src/platform/packages/shared/response-ops/rule_params/es_query/v1.ts (0bb03096: main);
- dashboards: src/platform/plugins/shared/dashboard/server/dashboard_saved_object/schema/v1/v1.ts
  (3c37204b);
- links: src/platform/plugins/private/links/server/saved_objects/schema/v1/v1.ts (7c2e599d: as of 9.0);
- searches: src/platform/plugins/shared/saved_search/server/saved_objects/schema_legacy.ts (37a12808:
  main), of it the schema of 8.8, to which all later ones only add;
- data views: src/platform/plugins/shared/data_views/server/saved_objects/data_views.ts (385d45e4: main);
  Kibana has no schema of their attributes, what is refused here is ours.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}
FLAG: Json = {"type": "boolean"}
DURATION: Json = {"type": "string", "pattern": "^[1-9][0-9]*[smhd]$"}
NOTIFY: Json = {"enum": ["onActionGroupChange", "onActiveAlert", "onThrottleInterval"]}


class Refused(ValueError):
    """Kibana's 400."""


def exactly(required: str, optional: str = "", **properties: Json) -> Json:
    """An object with these names and no others; names without a schema take anything."""
    names = [*required.split(), *optional.split()]
    return {
        "type": "object",
        "required": required.split(),
        "properties": {name: properties.get(name, {}) for name in names},
        "additionalProperties": False,
    }


def listed(item: Json, **more: Any) -> Json:
    return {"type": "array", "items": item, **more}


FREQUENCY = exactly("summary notify_when throttle", summary=FLAG, notify_when=NOTIFY)
ACTION = exactly(
    "id",
    "group params frequency uuid alerts_filter use_alert_data_for_template",
    id=TEXT,
    group=TEXT,
    params={"type": "object"},
    frequency=FREQUENCY,
    uuid=TEXT,
    use_alert_data_for_template=FLAG,
)
PARAMS = exactly(
    "size timeWindowSize timeWindowUnit threshold thresholdComparator timeField esQuery index",
    "excludeHitsFromPreviousRun aggType aggField groupBy termField termSize searchType sourceFields",
    size={"type": "number", "minimum": 0, "maximum": 10_000},
    timeWindowSize={"type": "number", "minimum": 1},
    timeWindowUnit={"enum": ["s", "m", "h", "d"]},
    threshold=listed(NUMBER, minItems=1, maxItems=2),
    thresholdComparator={"enum": [">", "<", ">=", "<=", "between", "notBetween"]},
    timeField={"type": "string", "minLength": 1},
    esQuery={"type": "string", "minLength": 1},
    index=listed(TEXT, minItems=1),
    excludeHitsFromPreviousRun=FLAG,
    aggType={"enum": ["count", "avg", "min", "max", "sum"]},
    groupBy={"enum": ["all", "top", "row"]},
    termField={"anyOf": [{"type": "string", "minLength": 1}, listed(TEXT, minItems=2, maxItems=4)]},
    termSize={"type": "number", "minimum": 1},
    searchType={"enum": ["searchSource", "esQuery", "esqlQuery"]},
)
ARTIFACTS = exactly(
    "",
    "dashboards investigation_guide",
    dashboards=listed(exactly("id", id=TEXT), maxItems=10),
    investigation_guide=exactly("blob", blob={"type": "string", "maxLength": 1000}),
)
COMMON: Json = {
    "name": TEXT,
    "tags": listed(TEXT),
    "schedule": exactly("interval", interval=DURATION),
    "params": {"type": "object"},
    "actions": listed(ACTION),
    "throttle": {"anyOf": [DURATION, {"type": "null"}]},
    "notify_when": {"anyOf": [NOTIFY, {"type": "null"}]},
    "alert_delay": exactly("active", active={"type": "number"}),
    "flapping": {"anyOf": [exactly("look_back_window status_change_threshold", "enabled"), {"type": "null"}]},
    "artifacts": ARTIFACTS,
}
OPTIONAL = "tags params actions throttle notify_when alert_delay flapping"


def create(artifacts: bool) -> Json:
    optional = f"enabled {OPTIONAL}" + (" artifacts" if artifacts else "")
    own = {"rule_type_id": TEXT, "consumer": TEXT, "enabled": FLAG}
    return exactly("name rule_type_id consumer schedule", optional, **COMMON, **own)


def update(artifacts: bool) -> Json:
    return exactly("name schedule", OPTIONAL + (" artifacts" if artifacts else ""), **COMMON)


CONTROLS = exactly(
    "",
    "panelsJSON controlStyle chainingSystem ignoreParentSettingsJSON",
    **dict.fromkeys(["panelsJSON", "controlStyle", "chainingSystem", "ignoreParentSettingsJSON"], TEXT),
)
DASHBOARD = exactly(
    "title",
    "description kibanaSavedObjectMeta timeRestore timeFrom timeTo refreshInterval controlGroupInput "
    "panelsJSON optionsJSON hits version",
    title=TEXT,
    description=TEXT,
    kibanaSavedObjectMeta=exactly("", "searchSourceJSON", searchSourceJSON=TEXT),
    timeRestore=FLAG,
    timeFrom=TEXT,
    timeTo=TEXT,
    refreshInterval=exactly("pause value", "display section", pause=FLAG, value=NUMBER),
    controlGroupInput=CONTROLS,
    panelsJSON=TEXT,
    optionsJSON=TEXT,
)
LINK = exactly(
    "id order destinationRefName type",
    "label options",
    id=TEXT,
    order=NUMBER,
    destinationRefName=TEXT,
    type={"const": "dashboardLink"},
    label=TEXT,
    options=exactly("openInNewTab useCurrentFilters useCurrentDateRange"),
)
LINKS = exactly(
    "title links",
    "description layout",
    title=TEXT,
    description=TEXT,
    links=listed(LINK),
    layout={"enum": ["horizontal", "vertical"]},
)
SEARCH = exactly(
    "title kibanaSavedObjectMeta",
    "description columns sort grid rowHeight rowsPerPage hideChart breakdownField isTextBasedQuery "
    "usesAdHocDataView timeRestore timeRange refreshInterval viewMode hideAggregatedPreview hits version",
    title=TEXT,
    description=TEXT,
    columns=listed(TEXT),
    sort=listed(listed(TEXT, maxItems=2)),
    grid=exactly("", "columns"),
    hideChart=FLAG,
    isTextBasedQuery=FLAG,
    kibanaSavedObjectMeta=exactly("searchSourceJSON", searchSourceJSON=TEXT),
)
DATA_VIEW = exactly(
    "title",
    "name timeFieldName fieldFormatMap fields runtimeFieldMap fieldAttrs sourceFilters allowNoIndex type",
    **dict.fromkeys(["title", "name", "timeFieldName", "fieldFormatMap"], TEXT),
)
SAVED = exactly(
    "type id attributes references coreMigrationVersion",
    "typeMigrationVersion managed",
    references=listed(exactly("type id name", type=TEXT, id=TEXT, name=TEXT)),
)
ATTRIBUTES = {"dashboard": DASHBOARD, "links": LINKS, "search": SEARCH, "index-pattern": DATA_VIEW}
# the newest version of each type that 9.0 knows: import refuses what is newer, and migrates what is older
NEWEST = {"dashboard": (10, 2), "links": (10, 1), "search": (10, 5), "index-pattern": (8, 0)}


def check(value: Any, schema: Json, what: str = "body") -> None:
    """Refuse as Kibana does, with the place of the first fault."""
    fault = next(iter(jsonschema_rs.iter_errors(schema, value)), None)
    if fault is not None:
        place = ".".join(map(str, [what, *fault.instance_path]))
        raise Refused(f"[request {place}]: {fault.message[:300]}")


def check_params(params: Json) -> None:
    """The parameters of `.es-query`, and what its `validateParams` adds."""
    check(params, PARAMS, "body.params")
    if params.get("groupBy") == "row":
        raise Refused("[groupBy]: groupBy should be all or top when [searchType] is not esqlQuery")
    if params.get("groupBy") == "top" and not (params.get("termField") and params.get("termSize")):
        raise Refused("[termField]: termField and termSize required when [groupBy] is top")
    if "between" in params["thresholdComparator"].lower() and len(params["threshold"]) == 1:
        raise Refused("[threshold]: must have two elements")
    try:
        asked = json.loads(params["esQuery"])
    except ValueError:
        raise Refused("[esQuery]: must be valid JSON") from None
    if not asked.get("query"):
        raise Refused('[esQuery]: must contain "query"')
