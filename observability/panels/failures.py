"""Why do jobs fail, when, and where?"""

from __future__ import annotations

from observability.panels.panel import Panel
from observability.panels.query import BAR, action, by, lines, over_time, request

CLASS = "tutti.error.class"

OVER_TIME = Panel(
    id="failures-time",
    title="Causes of failure",
    note="Failed jobs by error class. invalid_request and cancelled_by_user are people's own.",
    body=request(lines(action("job.failed")), over_time(by("cause", CLASS))),
    levels=("time.buckets", "cause.buckets"),
    fields={"time": "0.key", "cause": "1.key", "jobs": "1.doc_count"},
    sql="""
        select time, cause, count(*) as jobs from lines
        where action = 'job.failed' and cause is not null group by all order by all
    """,
    view={
        "mark": BAR,
        "encoding": {
            "x": {"field": "time", "type": "temporal", "title": None},
            "y": {"field": "jobs", "type": "quantitative", "title": "failed jobs", "stack": True},
            "color": {"field": "cause", "type": "nominal", "title": "error class"},
        },
    },
)

BY_INSTANCE = Panel(
    id="failures-instance",
    title="Causes of failure by instance",
    note="A cause in one row only points at that machine; one in all rows at what they share.",
    body=request(lines(action("job.failed")), by("host", "host.name", by("cause", CLASS))),
    levels=("host.buckets", "cause.buckets"),
    fields={"host": "0.key", "cause": "1.key", "jobs": "1.doc_count"},
    sql="""
        select host, cause, count(*) as jobs from lines
        where action = 'job.failed' and cause is not null and host is not null group by all order by all
    """,
    view={
        "encoding": {
            "x": {"field": "cause", "type": "nominal", "title": None, "axis": {"labelAngle": -20}},
            "y": {"field": "host", "type": "nominal", "title": "instance"},
        },
        "layer": [
            {
                "mark": {"type": "rect", "tooltip": True},
                "encoding": {
                    "color": {
                        "field": "jobs",
                        "type": "quantitative",
                        "title": "jobs",
                        "scale": {"range": ["#fff5f0", "#fb6a4a"], "domainMin": 0},
                    }
                },
            },
            {
                "mark": {"type": "text", "color": "#111"},
                "encoding": {"text": {"field": "jobs", "type": "quantitative"}},
            },
        ],
    },
)

PANELS = (OVER_TIME, BY_INSTANCE)
