"""Do jobs wait for a GPU, or take long on it?"""

from __future__ import annotations

from observability.panels.panel import Panel
from observability.panels.query import BAR, MADE, action, by, lines, made, over_time, request

STAGES = ("queue", "condition", "denoise", "decode", "encode", "store")

BY_STAGE = Panel(
    id="queue-stages",
    title="Waiting and working, by stage",
    note="Mean seconds of a job in each stage. Queue is the wait before its last attempt.",
    body=request(
        made(), over_time({stage: {"avg": {"field": f"tutti.timings.{stage}"}} for stage in STAGES})
    ),
    levels=("time.buckets",),
    fields={"time": "0.key", **{stage: f"0.{stage}.value" for stage in STAGES}},
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
    body=request(
        lines(action("queue.state")),
        over_time(by("queue", "tutti.queue", {"oldest": {"max": {"field": "tutti.queued.oldest_seconds"}}})),
    ),
    levels=("time.buckets", "queue.buckets"),
    fields={"time": "0.key", "queue": "1.key", "oldest": "1.oldest.value"},
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
