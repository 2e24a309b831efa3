"""What reuse of finished audio saves."""

from __future__ import annotations

from observability.panels.lens import Classes, Lens, Measure, Time
from observability.panels.panel import Panel, figure
from observability.panels.query import BAR, HIT_KQL, action_kql

ENDED = action_kql("job.succeeded")

SHARE = Panel(
    id="cache-share",
    title="Share of songs from the cache",
    note="Of the finished songs.",
    kibana=Lens(
        kind="figure",
        only=ENDED,
        measures=(
            Measure(
                name="share",
                label="from the cache",
                operation="ratio",
                parts=(
                    Measure(name="hits", label="hits", only=HIT_KQL),
                    Measure(name="songs", label="songs"),
                ),
                unit="percent",
                decimals=1,
            ),
        ),
    ),
    sql="""
        select count(*) filter (where hit) / count(*)::double as share
        from lines where action = 'job.succeeded' having count(*) > 0
    """,
    view=figure("share", ".1%"),
    height=80,
)

HITS = Panel(
    id="cache-hits",
    title="Songs from the cache",
    note="Finished jobs whose audio was already there, beside those that were made.",
    kibana=Lens(
        kind="bars",
        only=ENDED,
        across=Time(),
        by=Classes("how", "how", (("made", f"not {HIT_KQL}"), ("from the cache", HIT_KQL))),
        measures=(Measure(name="jobs", label="songs"),),
        axis="songs",
    ),
    sql="""
        select time, case when hit then 'from the cache' else 'made' end as how, count(*) as jobs
        from lines where action = 'job.succeeded' group by all order by all
    """,
    view={
        "mark": BAR,
        "encoding": {
            "x": {"field": "time", "type": "temporal", "title": None},
            "y": {"field": "jobs", "type": "quantitative", "title": "songs", "stack": True},
            "color": {
                "field": "how",
                "type": "nominal",
                "title": None,
                "scale": {"domain": ["made", "from the cache"], "range": ["#4c78a8", "#54a24b"]},
            },
        },
    },
)

SAVED = Panel(
    id="cache-saved",
    title="Seconds of work saved",
    note="Summed up over the time shown.",
    kibana=Lens(
        kind="area",
        only=ENDED,
        across=Time(),
        measures=(
            Measure(name="sum", label="saved", operation="running_total", field="tutti.cache.saved_seconds"),
        ),
        axis="seconds saved",
    ),
    sql="""
        select time, sum(coalesce(sum(saved), 0)) over (order by time) as sum
        from lines where action = 'job.succeeded' group by time order by time
    """,
    view={
        "mark": {"type": "area", "interpolate": "step-after", "tooltip": True, "opacity": 0.7},
        "encoding": {
            "x": {"field": "time", "type": "temporal", "title": None},
            "y": {"field": "sum", "type": "quantitative", "title": "seconds saved"},
        },
    },
)

PANELS = (SHARE, HITS, SAVED)
