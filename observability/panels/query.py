"""The parts of a question that all panels share: which lines, in which time, under which controls."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

INDEX = "logs-tutti.*-*"
MUST, FILTER, MUST_NOT = (f"%dashboard_context-{clause}_clause%" for clause in ("must", "filter", "must_not"))
TIME = {"%timefilter%": True}
INTERVAL = {"%autointerval%": True}

FINISHED = ("job.succeeded", "job.failed")
OWN: Json = {"term": {"tutti.error.ours": False}}  # failures that are no fault of the service
OWN_SQL = "not coalesce(ours, true)"
BAR: Json = {"type": "bar", "tooltip": True, "width": {"expr": "max(1, width / 90)"}}  # some 50 steps of time
LENGTHS = ((0, 30, "under 30 s"), (30, 90, "30-90 s"), (90, 180, "90-180 s"), (180, 601, "180 s and more"))
LENGTH_NAMES = [name for _, _, name in LENGTHS]
LENGTH_SQL = "case " + " ".join(f"when audio < {top} then '{name}'" for _, top, name in LENGTHS) + " end"
MADE = "action = 'job.succeeded' and not coalesce(hit, false)"


def action(*names: str) -> Json:
    """Lines of these actions."""
    return {"terms": {"event.action": list(names)}}


def lines(*filters: Json, without: tuple[Json, ...] = ()) -> Json:
    """Give the query for the lines that pass all filters, in the dashboard's time and under its controls."""
    within = {"range": {"@timestamp": TIME}}
    return {"bool": {"must": [MUST, within], "filter": [FILTER, *filters], "must_not": [MUST_NOT, *without]}}


def made() -> Json:
    """Jobs that an engine made, whose time says something about engines: not those from the cache."""
    return lines(action("job.succeeded"), without=({"term": {"tutti.cache.hit": True}},))


def over_time(aggs: Json) -> Json:
    """Aggregations in steps of time that suit the range."""
    return {"time": {"date_histogram": {"field": "@timestamp", "fixed_interval": INTERVAL}, "aggs": aggs}}


def by(name: str, field: str, aggs: Json | None = None, *, size: int = 50, **more: Any) -> Json:
    """Aggregations for each value of a field, the most frequent first."""
    return {name: {"terms": {"field": field, "size": size, **more}, **({"aggs": aggs} if aggs else {})}}


def by_length(aggs: Json) -> Json:
    """Aggregations for each class of audio length."""
    ranges = [{"key": name, "from": low, "to": top} for low, top, name in LENGTHS]
    return {"length": {"range": {"field": "tutti.audio.seconds", "ranges": ranges}, "aggs": aggs}}


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


def resolve(value: Any, since: str, until: str, interval: str) -> Any:
    """Put values in the place of Kibana's placeholders, as Kibana does before it sends the request.

    Args:
        value: A request body, or a part of one.
        since: First time, ISO 8601.
        until: Time after the last.
        interval: Step of time, such as "30m".

    """
    if value == TIME:
        return {"gte": since, "lt": until}
    if value == INTERVAL:
        return interval
    if isinstance(value, dict):
        return {name: resolve(item, since, until, interval) for name, item in value.items()}
    if isinstance(value, list):
        return [
            resolve(item, since, until, interval) for item in value if item not in (MUST, FILTER, MUST_NOT)
        ]
    return value
