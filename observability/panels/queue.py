"""Do jobs wait for a GPU, or take long on it?"""

from __future__ import annotations

from observability.panels.lens import Lens, Measure, Time, Values
from observability.panels.panel import Panel
from observability.panels.query import BAR, MADE, MADE_KQL, action_kql

STAGES = ("queue", "condition", "denoise", "decode", "encode", "store")

BY_STAGE = Panel(
    id="queue-stages",
    title="Waiting and working, by stage",
    note="Mean seconds of a job in each stage. Queue is the wait before its last attempt.",
    kibana=Lens(
        kind="bars",
        only=MADE_KQL,
        across=Time(),
        measures=tuple(
            Measure(name=stage, label=stage, operation="average", field=f"tutti.timings.{stage}", decimals=2)
            for stage in STAGES
        ),
        axis="mean seconds",
    ),
    sql=f"""
        select time, {", ".join(f"avg(in_{stage}) as {stage}" for stage in STAGES)}
        from lines where {MADE} group by all order by all
    """,  # noqa: S608 - constants of this module
    post=(
        {"fold": list(STAGES), "as": ["stage", "seconds"]},
        {"filter": "isValid(datum.seconds)"},
        {"calculate": f"indexof({list(STAGES)}, datum.stage)", "as": "place"},
    ),
    view={
        "mark": BAR,
        "encoding": {
            "x": {"field": "time", "type": "temporal", "title": None},
            "y": {"field": "seconds", "type": "quantitative", "title": "mean seconds", "stack": True},
            "color": {"field": "stage", "type": "nominal", "sort": list(STAGES), "title": "stage"},
            "order": {"field": "place"},
        },
    },
)

OLDEST = Panel(
    id="queue-oldest",
    title="Oldest queued job",
    note="The longest wait at any moment, by queue, as the dispatcher reports it.",
    kibana=Lens(
        kind="lines",
        only=action_kql("queue.state"),
        across=Time(),
        by=Values("queue", "queue", "tutti.queue"),
        measures=(
            Measure(name="oldest", label="oldest", operation="max", field="tutti.queued.oldest_seconds"),
        ),
        axis="seconds",
    ),
    sql="""
        select time, queue, max(oldest) as oldest
        from lines where action = 'queue.state' and queue is not null group by all order by all
    """,
    view={
        "mark": {"type": "line", "interpolate": "step-after", "tooltip": True},
        "encoding": {
            "x": {"field": "time", "type": "temporal", "title": None},
            "y": {"field": "oldest", "type": "quantitative", "title": "seconds"},
            "color": {"field": "queue", "type": "nominal", "title": "queue"},
        },
    },
)

PANELS = (BY_STAGE, OLDEST)
