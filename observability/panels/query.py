"""The parts of a question that all panels share: which lines, in which time, under which controls.

Twice: as Elasticsearch's queries for the Vega panels, with Kibana's placeholders for time and controls, and
in Kibana's own query language (KQL) for the Lens panels, to which Kibana adds both by itself.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

INDEX = "logs-tutti.*-*"
MUST, FILTER, MUST_NOT = (f"%dashboard_context-{clause}_clause%" for clause in ("must", "filter", "must_not"))
TIME = {"%timefilter%": True}

FINISHED = ("job.succeeded", "job.failed")
OWN_SQL = "not coalesce(ours, true)"  # failures that are no fault of the service
BAR: Json = {"type": "bar", "tooltip": True, "width": {"expr": "max(1, width / 90)"}}  # some 50 steps of time
LENGTHS = ((0, 30, "under 30 s"), (30, 90, "30-90 s"), (90, 180, "90-180 s"), (180, 601, "180 s and more"))
LENGTH_NAMES = [name for _, _, name in LENGTHS]
LENGTH_SQL = "case " + " ".join(f"when audio < {top} then '{name}'" for _, top, name in LENGTHS) + " end"
LENGTH_KQL = tuple(
    (name, f"tutti.audio.seconds >= {low} and tutti.audio.seconds < {top}") for low, top, name in LENGTHS
)
MADE = "action = 'job.succeeded' and not coalesce(hit, false)"


def action(*names: str) -> Json:
    """Lines of these actions."""
    return {"terms": {"event.action": list(names)}}


def action_kql(*names: str) -> str:
    """The same in KQL."""
    return _any_of("event.action", names)


def _any_of(field: str, values: tuple[str, ...]) -> str:
    quoted = " or ".join(f'"{value}"' for value in values)
    return f"{field} : ({quoted})"


HIT_KQL = "tutti.cache.hit : true"
MADE_KQL = f"{action_kql('job.succeeded')} and not {HIT_KQL}"
OWN_KQL = "tutti.error.ours : false"


def lines(*filters: Json, without: tuple[Json, ...] = ()) -> Json:
    """Give the query for the lines that pass all filters, in the dashboard's time and under its controls."""
    within = {"range": {"@timestamp": TIME}}
    return {"bool": {"must": [MUST, within], "filter": [FILTER, *filters], "must_not": [MUST_NOT, *without]}}


def made() -> Json:
    """Jobs that an engine made, whose time says something about engines: not those from the cache."""
    return lines(action("job.succeeded"), without=({"term": {"tutti.cache.hit": True}},))


def by(name: str, field: str, aggs: Json | None = None, *, size: int = 50, **more: Any) -> Json:
    """Aggregations for each value of a field, the most frequent first."""
    return {name: {"terms": {"field": field, "size": size, **more}, **({"aggs": aggs} if aggs else {})}}


def total(field: str) -> Json:
    """Sum of a field."""
    return {"sum": {"field": field}}


def quantiles(field: str) -> Json:
    """Median and 95th percentile, fine enough for several humps (the default is 4 % off there)."""
    return {
        "percentiles": {"field": field, "percents": [50, 95], "keyed": False, "tdigest": {"compression": 200}}
    }


def request(query: Json, aggs: Json) -> Json:
    """Make the request body; only the aggregations are of interest."""
    return {"size": 0, "track_total_hits": False, "query": query, "aggs": aggs}
