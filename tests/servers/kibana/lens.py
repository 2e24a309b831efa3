"""What Kibana asks Elasticsearch for a Lens panel, and the table it makes of the answer: our stand-in.

Read in elastic/kibana under src/platform/plugins/shared/data/common/search/aggs/buckets/lib:
`calc_auto_interval.ts` in time_buckets (d6b193a7: `calcAutoIntervalNear`, steps of time) and
`histogram_calculate_interval.ts` (020508a5: steps of numbers). Columns become aggregations in their
order, filters of a column its own filter, formulas are worked out over the answer.

It cannot know whether Lens would load the panel into its editor, and it knows only the operations that we
use.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from elasticsearch import Elasticsearch

from tests.servers.kibana import kql

Json = dict[str, Any]

BARS = 50  # Kibana's setting histogram:barTarget
MOST_BARS = 100  # and histogram:maxBars
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
STEPS = [100, 1000, 5000, 10_000, 30_000, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE]
STEPS += [HOUR, 3 * HOUR, 12 * HOUR, DAY, 7 * DAY]
SIMPLE = {"sum": "sum", "average": "avg", "max": "max", "min": "min"}


def step_near(bars: int, milliseconds: float) -> int:
    """The shortest round step that is longer than one of so many."""
    target = milliseconds / bars
    return next((step for step in STEPS if step > target), STEPS[-1])


def step_of_numbers(least: float, most: float, bars: int) -> float:
    """The width of a histogram's steps."""
    diff = most - least
    if diff < bars:
        return 1
    power = 10.0 ** math.floor(math.log10(diff / bars))
    return power * next((times for times in (1, 2, 5) if diff / power / times <= bars), 10)


class Panel:
    """A Lens panel of a dashboard, asked over a range of time."""

    def __init__(self, attributes: Json, since: dt.datetime, until: dt.datetime) -> None:
        state = attributes["state"]
        (self.layer,) = state["datasourceStates"]["formBased"]["layers"].values()
        self.columns: Json = {name: self.layer["columns"][name] for name in self.layer["columnOrder"]}
        self.drawn = state["visualization"]
        self.since, self.until = since, until
        within = {"gte": since.isoformat(), "lte": until.isoformat(), "format": "strict_date_optional_time"}
        self.query = {
            "bool": {"filter": [kql.query(state["query"]["query"]), {"range": {"@timestamp": within}}]}
        }
        self.buckets = [name for name, column in self.columns.items() if column["isBucketed"]]

    def rows(self, server: Elasticsearch, index: str) -> list[Json]:
        """Ask, and give the table: a row for each combination of buckets, with the numbers that are drawn."""
        body = {"size": 0, "track_total_hits": True, "query": self.query, "aggs": self._levels(server, index)}
        answer = server.search(index=index, **body).body
        whole = answer.get("aggregations", {}) | {"doc_count": answer["hits"]["total"]["value"]}
        rows = [self._worked_out(row) for row in self._walk(whole, self.buckets, {})]
        self._totals(rows)
        shown = {*self.buckets, *self._accessors()}
        return [{name: value for name, value in row.items() if name in shown} for row in rows]

    def _accessors(self) -> list[str]:
        layer = self.drawn.get("layers", [self.drawn])[0]
        return layer.get("accessors") or [layer.get("metricAccessor") or layer["valueAccessor"]]

    def _levels(self, server: Elasticsearch, index: str) -> Json:
        aggs: Json = {}
        for name, column in self.columns.items():
            made = self._metric(column)
            if made is None:
                continue
            asked = column.get("filter")
            aggs[name] = {"filter": kql.query(asked["query"]), "aggs": {"it": made}} if asked else made
            if asked and not made:
                del aggs[name]["aggs"]
        aggs = {name: made for name, made in aggs.items() if made}
        for name in reversed(self.buckets):
            aggs = {name: self._bucket(self.columns[name], server, index) | ({"aggs": aggs} if aggs else {})}
        return aggs

    def _metric(self, column: Json) -> Json | None:
        """Its aggregation; empty for a count, which every bucket has; None where there is none to ask for."""
        operation, field = column["operationType"], column.get("sourceField")
        if column["isBucketed"] or operation in {"formula", "math", "cumulative_sum"}:
            return None
        if operation == "count":
            return {}
        if operation == "percentile":
            return {"percentiles": {"field": field, "percents": [column["params"]["percentile"]]}}
        return {SIMPLE[operation]: {"field": field}}

    def _bucket(self, column: Json, server: Elasticsearch, index: str) -> Json:
        params, field = column["params"], column.get("sourceField")
        match column["operationType"]:
            case "date_histogram":
                assert params["interval"] == "auto"
                step = step_near(BARS, (self.until - self.since).total_seconds() * 1000)
                asked: Json = {"field": field, "fixed_interval": f"{step}ms", "time_zone": "UTC"}
                if params["includeEmptyRows"]:
                    bounds = {"min": _milliseconds(self.since), "max": _milliseconds(self.until)}
                    asked |= {"min_doc_count": 0, "extended_bounds": bounds}
                return {"date_histogram": asked}
            case "range":
                aggs = {"least": {"min": {"field": field}}, "most": {"max": {"field": field}}}
                found = server.search(index=index, size=0, query=self.query, aggs=aggs)["aggregations"]
                bars = min(MOST_BARS, params["maxBars"])
                step = step_of_numbers(found["least"]["value"], found["most"]["value"], bars)
                return {"histogram": {"field": field, "interval": step, "min_doc_count": 1}}
            case "filters":
                queries = {one["label"]: kql.query(one["input"]["query"]) for one in params["filters"]}
                return {"filters": {"filters": queries}}
            case "terms":
                by = params["orderBy"]
                if by["type"] == "column":
                    assert self.columns[by["columnId"]]["operationType"] == "count"
                key = "_count" if by["type"] == "column" else "_key"
                order = {key: params["orderDirection"]}
                return {"terms": {"field": field, "size": params["size"], "order": order}}
        raise AssertionError(f"unknown operation {column['operationType']}")

    def _walk(self, node: Json, levels: list[str], row: Json) -> list[Json]:
        if not levels:
            return [row | {name: self._value(node, name) for name in self.columns if name not in row}]
        found = node[levels[0]]["buckets"]
        pairs = found.items() if isinstance(found, dict) else [(one["key"], one) for one in found]
        return [made for key, one in pairs for made in self._walk(one, levels[1:], row | {levels[0]: key})]

    def _value(self, node: Json, name: str) -> Any:
        column = self.columns[name]
        made = self._metric(column)
        if made is None:
            return None
        if "filter" in column:
            node = node[name]
            found = node.get("it")
        else:
            found = node.get(name)
        if not made:
            return node["doc_count"]
        if "values" in found:
            return next(iter(found["values"].values()))
        return (
            None
            if made.get("sum") and column["params"].get("emptyAsNull") and not node["doc_count"]
            else found["value"]
        )

    def _worked_out(self, row: Json) -> Json:
        for name, column in self.columns.items():
            if column["operationType"] == "math":
                row[name] = _math(column["params"]["tinymathAst"], row)
            if column["operationType"] == "formula":
                row[name] = row[column["references"][0]]
        return row

    def _totals(self, rows: list[Json]) -> None:
        for name, column in self.columns.items():
            if column["operationType"] == "cumulative_sum":
                total = 0.0
                for row in rows:
                    total += row[column["references"][0]] or 0
                    row[name] = total


def _milliseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)


def _math(node: Any, row: Json) -> float | None:
    if isinstance(node, int | float):
        return node
    if isinstance(node, str):
        return row[node]
    assert node["name"] == "divide"
    over, under = (_math(part, row) for part in node["args"])
    return over / under if over is not None and under else None
