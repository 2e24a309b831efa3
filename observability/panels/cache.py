"""What reuse of finished audio saves."""

from __future__ import annotations

from observability.panels.panel import Panel
from observability.panels.query import BAR, action, by, lines, over_time, request, total

HITS = Panel(
    id="cache-hits",
    title="Songs from the cache",
    note="Finished jobs whose audio was already there, beside those that were made.",
    body=request(lines(action("job.succeeded")), over_time(by("hit", "tutti.cache.hit", missing=False))),
    levels=("time.buckets", "hit.buckets"),
    fields={"time": "0.key", "hit": "1.key", "jobs": "1.doc_count"},
    sql="""
        select time, coalesce(hit, false)::int as hit, count(*) as jobs
        from lines where action = 'job.succeeded' group by all order by all
    """,
    post=({"calculate": "datum.hit ? 'from the cache' : 'made'", "as": "how"},),
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
    body=request(lines(action("job.succeeded")), over_time({"saved": total("tutti.cache.saved_seconds")})),
    levels=("time.buckets",),
    fields={"time": "0.key", "saved": "0.saved.value"},
    sql="""
        select time, coalesce(sum(saved), 0) as saved from lines where action = 'job.succeeded'
        group by all order by all
    """,
    post=(
        {
            "window": [{"op": "sum", "field": "saved", "as": "sum"}],
            "sort": [{"field": "time"}],
            "frame": [None, 0],
        },
    ),
    view={
        "mark": {"type": "area", "interpolate": "step-after", "tooltip": True, "opacity": 0.7},
        "encoding": {
            "x": {"field": "time", "type": "temporal", "title": None},
            "y": {"field": "sum", "type": "quantitative", "title": "seconds saved"},
        },
    },
)

PANELS = (HITS, SAVED)
