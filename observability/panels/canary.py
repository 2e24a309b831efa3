"""Does the canary do as well as the stable lane?"""

from __future__ import annotations

from observability.panels.lens import Lens, Measure, Time, Values
from observability.panels.panel import Panel, Vega
from observability.panels.query import (
    FINISHED,
    MADE,
    OWN_KQL,
    OWN_SQL,
    Json,
    action_kql,
    by,
    made,
    quantiles,
    request,
)

COLOR: Json = {
    "field": "lane",
    "type": "nominal",
    "title": "lane",
    "scale": {"domain": ["stable", "canary"], "range": ["#4c78a8", "#f58518"]},
}
LANES = Values("lane", "lane", "tutti.lane", size=5)


def failed_share() -> Measure:
    """The share of failed jobs."""
    failed = Measure(name="failed", label="failed", only=action_kql("job.failed"))
    parts = (failed, Measure(name="jobs", label="jobs"))
    return Measure(name="share", label="failed", operation="ratio", parts=parts, unit="percent", decimals=1)


ERRORS = Panel(
    id="canary-errors",
    title="Failed share by lane",
    note="Without failures that are people's own. The share of few jobs says little: do not judge by it.",
    kibana=Lens(
        kind="lines",
        only=f"{action_kql(*FINISHED)} and not {OWN_KQL}",
        across=Time(),
        by=LANES,
        measures=(failed_share(),),
        axis="failed",
    ),
    derive={"share": "datum.failed / datum.jobs"},
    sql=f"""
        select time, lane, count(*) as jobs, count(*) filter (where action = 'job.failed') as failed
        from lines where action in ('job.succeeded', 'job.failed') and lane is not null
        and not ({OWN_SQL}) group by all order by all
    """,  # noqa: S608 - constants of this module
    view={
        "encoding": {
            "x": {"field": "time", "type": "temporal", "title": None},
            "y": {"field": "share", "type": "quantitative", "title": "failed", "axis": {"format": "%"}},
            "color": COLOR,
        },
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 1, "opacity": 0.5}},
            {
                "mark": {"type": "circle", "tooltip": {"content": "data"}, "opacity": 0.9},
                "encoding": {
                    "size": {
                        "field": "jobs",
                        "type": "quantitative",
                        "title": "jobs",
                        "scale": {"range": [8, 200]},
                        "legend": {"tickCount": 3},
                    }
                },
            },
        ],
    },
)

LATENCY = Panel(
    id="canary-latency",
    title="Latency by lane",
    note="Median and 95th percentile of the jobs that were made.",
    # Not Lens: its percentiles were 3 % off where latencies have several humps, one for each length of song.
    kibana=Vega(
        body=request(made(), by("lane", "tutti.lane", {"p": quantiles("event.duration")})),
        levels=("lane.buckets", "p.values"),
        fields={"lane": "0.key", "jobs": "0.doc_count", "quantile": "1.key", "ns": "1.value"},
    ),
    derive={"seconds": "datum.ns / 1e9"},
    sql=f"""
        select lane, jobs, unnest([50, 95]) as quantile, unnest(p) as ns from (
            select lane, count(*) as jobs, quantile_cont(duration, [0.5, 0.95]) as p
            from lines where {MADE} and lane is not null group by all
        ) order by all
    """,  # noqa: S608
    view={
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {
            "x": {"field": "quantile", "type": "ordinal", "title": "percentile", "axis": {"labelAngle": 0}},
            "xOffset": {"field": "lane", "sort": ["stable", "canary"]},
            "y": {"field": "seconds", "type": "quantitative", "title": "latency, s"},
            "color": COLOR,
        },
    },
)

PANELS = (ERRORS, LATENCY)
