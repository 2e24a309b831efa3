"""What Kibana makes of a Vega spec before it draws it: our stand-in, written from its rules.

Read in elastic/kibana under src/platform/plugins/private/vis_types/vega/public/data_model:
`es_query_parser.ts` as of 9.0 (commit 012f5d98) and of main, the newest 9.x (b69bcfd7), whose rules are
the same; `vega_parser.ts` (02da3ca7: main) and `url_parser.ts` (2977442a: main); and, for steps of time,
`parse_es_interval.ts` (4b3b1680: main) under
src/platform/plugins/shared/data/common/search/aggs/utils/date_interval_utils.

It cannot know what Kibana adds around a request (preference, runtime fields of a data view) and does not
draw: `compiling` does that with the Vega-Lite that Kibana ships. Of the other kinds of `%type%` we use
none.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

CLAUSES = {f"%dashboard_context-{name}_clause%": name for name in ("must", "filter", "must_not")}
TIMEFILTER, AUTOINTERVAL = "%timefilter%", "%autointerval%"
CONTEXT, TIMEFIELD, LEGACY, TYPE = "%context%", "%timefield%", "%context_query%", "%type%"
BARS = 50
# the longest step in milliseconds of which each interval is made
ROUND = (
    (500, "100ms"),
    (5_000, "1s"),
    (7_500, "5s"),
    (15_000, "10s"),
    (45_000, "30s"),
    (180_000, "1m"),
    (450_000, "5m"),
    (1_200_000, "10m"),
    (2_700_000, "30m"),
    (7_200_000, "1h"),
    (21_600_000, "3h"),
    (86_400_000, "12h"),
    (604_800_000, "24h"),
    (1_814_400_000, "1w"),
)
UNITS = {"s": 1, "second": 1, "m": 60, "minute": 60, "h": 3600, "hour": 3600}
UNITS |= {"d": 86_400, "day": 86_400, "w": 604_800, "week": 604_800}


class Refused(ValueError):
    """Kibana shows this in the panel's place."""


def round_interval(milliseconds: float) -> str:
    """The step of time for one this long."""
    for longest, name in ROUND:
        if milliseconds <= longest:
            return name
    return "30d" if milliseconds < 3_628_800_000 else "1y"


def interval_clause(interval: str) -> Json:
    """One unit of minutes and up is a calendar's, all else a fixed interval."""
    found = re.fullmatch(r"([1-9]\d*)\s*(ms|s|m|h|d|w|M|y)", interval.strip())
    if not found:
        raise Refused(f"Invalid interval format: {interval}")
    number, unit = int(found[1]), found[2]
    if unit in "wMy" and number != 1:
        raise Refused(f"Invalid calendar interval: {interval}, value must be 1")
    kind = "calendar" if number == 1 and unit in "mhdwMy" and unit != "ms" else "fixed"
    return {f"{kind}_interval": interval}


class Dashboard:
    """What a dashboard lends its Vega panels: a range of time and the filters of its query and controls."""

    def __init__(self, since: dt.datetime, until: dt.datetime, context: Json | None = None) -> None:
        self.least, self.most = (moment.timestamp() * 1000 for moment in (since, until))
        self.context = {"bool": {"must": [], "filter": [], "must_not": [], "should": []}}
        if context is not None:
            self.context = context
        self.warnings: list[str] = []

    def parse(self, text: str) -> tuple[Json, list[Json]]:
        """Parse a spec; gives it without the questions, and the requests to send."""
        try:
            spec = json.loads(text)  # HJSON is more lenient; what is strict JSON is the same in both
        except ValueError as problem:
            raise Refused(f"not strict JSON, of which HJSON may make something else: {problem}") from None
        if not isinstance(spec, dict):
            raise Refused("Invalid Vega specification")
        if not re.fullmatch(
            r"https://vega\.github\.io/schema/vega-lite/v\d+(\.\d+)*\.json", spec.get("$schema", "")
        ):
            raise Refused('Your specification requires a "$schema" field with a valid URL')
        self._settings(spec)
        requests: list[Json] = []
        self._find_urls(spec, lambda data: requests.append(self._request(data)))
        return spec, requests

    def _settings(self, spec: Json) -> None:
        own = spec.get("config", {}).pop("kibana", {})
        if not isinstance(own, dict):
            raise Refused("If present, config.kibana must be an object")
        for name, value in own.items():
            if name in {"hideWarnings", "restoreSignalValuesOnRefresh"} and not isinstance(value, bool):
                self.warnings.append(f"config.kibana.{name} must be a boolean value")
        autosize = spec.get("autosize")
        if autosize is not None and not autosize:
            self.warnings.append("autosize is enabled, it can only be disabled by setting it to none")
        kind = autosize.get("type") if isinstance(autosize, dict) else autosize
        if kind != "none" and any(spec.get(side, "container") != "container" for side in ("width", "height")):
            self.warnings.append("width and height are ignored because autosize is enabled")

    def _find_urls(self, node: Any, found: Callable[[Json], None], key: str = "") -> None:
        if isinstance(node, list):
            for item in node:
                self._find_urls(item, found, key)
        elif isinstance(node, dict):
            if key == "data" and isinstance(node.get("url"), dict):
                if "values" in node or "source" in node:
                    raise Refused("Data must not have more than one of url, values and source")
                found(node)
            else:
                for name, item in node.items():
                    self._find_urls(item, found, name)

    def _request(self, data: Json) -> Json:
        url = data.pop("url")
        kind = url.pop(TYPE, "elasticsearch")
        if kind != "elasticsearch":
            raise Refused(f'url: {{"%type%": "{kind}"}} is not supported')
        url = self.parse_url(url)
        return {"data": data, "url": url}

    def parse_url(self, url: Json) -> Json:
        """Fill in what a `data.url` leaves to the dashboard."""
        context, field = url.pop(CONTEXT, None), url.pop(TIMEFIELD, None)
        uses = context is not None or field is not None
        body = url.setdefault("body", {})
        if not isinstance(body, dict):
            raise Refused("url.body must be an object")
        if LEGACY in url:
            field = self._legacy(url.pop(LEGACY), plain="query" not in body and not uses)
            uses, context = True, True
        if "query" in body:
            if uses:
                raise Refused(
                    f"url.{CONTEXT} and url.{TIMEFIELD} must not be used when url.body.query is set"
                )
            self.inject(body["query"], is_query=True)
        elif uses:
            if field:
                body["query"] = {"range": {field: self._range({TIMEFILTER: True})}}
            if context:
                whole = copy.deepcopy(self.context)
                if field:
                    whole["bool"]["must"].append(body["query"])
                body["query"] = whole
        self.inject(body.get("aggs"), is_query=False)
        return url

    def _legacy(self, legacy: Any, *, plain: bool) -> str | None:
        if not plain:
            raise Refused(f"data.url must not have legacy {LEGACY} with a query, {CONTEXT} or {TIMEFIELD}")
        if legacy is not True and not (isinstance(legacy, str) and legacy):
            raise Refused(f"Legacy {LEGACY} can either be true or the name of the time field")
        self.warnings.append(f"Legacy {LEGACY} should change to {CONTEXT}")
        return legacy if isinstance(legacy, str) else None

    def inject(self, node: Any, *, is_query: bool, key: str = "") -> None:
        """Put the dashboard's values in the place of placeholders, where Kibana looks for them alone."""
        if isinstance(node, list):
            self._inject_list(node, is_query=is_query)
        elif isinstance(node, dict):
            for name, item in list(node.items()):
                if not item:
                    continue
                if name == "interval" and key == "date_histogram":
                    del node["interval"]
                    node.update(interval_clause(self._interval(item)))
                    continue
                asked = item.get(TIMEFILTER) if isinstance(item, dict) else None
                if asked in ("min", "max"):
                    node[name] = self._bound(item, asked)
                elif asked is True:
                    self._range(item)
                elif asked is None:
                    self.inject(item, is_query=is_query, key=name)
                else:
                    raise Refused(f"{TIMEFILTER} must be set to true, min or max")

    def _inject_list(self, items: list[Any], *, is_query: bool) -> None:
        made: list[Any] = []
        for item in items:
            if is_query and isinstance(item, str) and item in CLAUSES:
                clause = copy.deepcopy(self.context).get("bool", {}).get(CLAUSES[item])
                made += clause if isinstance(clause, list) else [clause] if clause else []
            else:
                self.inject(item, is_query=is_query)
                made.append(item)
        items[:] = made

    def _interval(self, asked: Any) -> str:
        if isinstance(asked, str):
            return asked
        bars = asked.get(AUTOINTERVAL) if isinstance(asked, dict) else None
        if bars is True:
            bars = BARS
        if not isinstance(bars, int | float):
            raise Refused(f"{AUTOINTERVAL} must be either true or a number")
        return round_interval((self.most - self.least) / bars)

    def _range(self, node: Json) -> Json:
        bounds = {"gte": self._bound(node, "min"), "lte": self._bound(node, "max")}
        for name in (TIMEFILTER, "shift", "unit"):
            node.pop(name, None)
        node |= {name: _iso(value) for name, value in bounds.items()} | {
            "format": "strict_date_optional_time"
        }
        return node

    def _bound(self, node: Json, which: str) -> float:
        value = self.least if which == "min" else self.most
        shift, unit = node.get("shift"), node.get("unit", "d")
        if shift:
            if not isinstance(shift, int | float):
                raise Refused("shift must be a numeric value")
            if unit not in UNITS:
                raise Refused("Unknown unit value")
            value += shift * UNITS[unit] * 1000
        return value


def _iso(milliseconds: float) -> str:
    moment = dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unresolved(node: Any) -> list[str]:
    """Placeholders that are still there: Elasticsearch would get them as they are."""
    return re.findall(r"%[a-z_-]+%", json.dumps(node))
