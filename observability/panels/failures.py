"""Why do jobs fail, when, and where?"""

from __future__ import annotations

from observability.panels.canary import failed_share
from observability.panels.lens import Lens, Measure, Time, Values
from observability.panels.panel import Panel, figure
from observability.panels.query import BAR, FINISHED, OWN_KQL, OWN_SQL, action_kql

CAUSES = Values("cause", "error class", "tutti.error.class")
FAILED = Measure(name="jobs", label="failed jobs")

SHARE = Panel(
    id="failures-share",
    title="Share of jobs that failed",
    note="Without failures that are people's own.",
    kibana=Lens(kind="figure", only=f"{action_kql(*FINISHED)} and not {OWN_KQL}", measures=(failed_share(),)),
    sql=f"""
        select count(*) filter (where action = 'job.failed') / count(*)::double as share
        from lines where action in ('job.succeeded', 'job.failed') and not ({OWN_SQL})
        having count(*) > 0
    """,  # noqa: S608 - constants of the package
    view=figure("share", ".1%"),
    height=80,
)

OVER_TIME = Panel(
    id="failures-time",
    title="Causes of failure",
    note="Failed jobs by error class. invalid_request and cancelled_by_user are people's own.",
    kibana=Lens(
        kind="bars",
        only=action_kql("job.failed"),
        across=Time(),
        by=CAUSES,
        measures=(FAILED,),
        axis="failed jobs",
    ),
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
    kibana=Lens(
        kind="heatmap",
        only=action_kql("job.failed"),
        across=CAUSES,
        by=Values("host", "instance", "host.name"),
        measures=(FAILED,),
    ),
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

PANELS = (SHARE, OVER_TIME, BY_INSTANCE)
