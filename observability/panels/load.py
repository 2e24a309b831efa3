"""How loaded is every instance and GPU, and which GPU is slower than its fellows?

Load comes from heartbeats: durations of jobs would put a job's whole time into the minute in which it ended
and show nothing for an idle hour.
"""

from __future__ import annotations

from observability.panels.panel import Panel
from observability.panels.query import (
    BAR,
    FINISHED,
    MADE,
    action,
    by,
    lines,
    made,
    over_time,
    request,
    total,
)

SLOW = 1.3  # times the fleet's median

BUSY = Panel(
    id="load-busy",
    title="Busy share of every GPU",
    note="From the heartbeats, one every 15 s; a gap is a worker that fell silent.",
    body=request(
        lines(action("worker.heartbeat")),
        over_time(by("gpu", "tutti.gpu.id", {"busy": {"avg": {"field": "tutti.gpu.busy"}}})),
    ),
    levels=("time.buckets", "gpu.buckets"),
    fields={"time": "0.key", "gpu": "1.key", "beats": "1.doc_count", "busy": "1.busy.value"},
    sql="""
        select time, gpu, count(*) as beats, avg(busy) as busy
        from lines where action = 'worker.heartbeat' and gpu is not null group by all order by all
    """,
    view={
        "mark": {"type": "line", "interpolate": "step-after", "tooltip": True},
        "encoding": {
            "x": {"field": "time", "type": "temporal", "title": None},
            "y": {
                "field": "busy",
                "type": "quantitative",
                "title": "busy",
                "axis": {"format": "%"},
                "scale": {"domain": [0, 1]},
            },
            "color": {"field": "gpu", "type": "nominal", "title": "GPU"},
        },
    },
)

JOBS = Panel(
    id="load-jobs",
    title="Jobs ended by instance",
    note="How the work is spread over the machines.",
    body=request(lines(action(*FINISHED)), over_time(by("host", "host.name"))),
    levels=("time.buckets", "host.buckets"),
    fields={"time": "0.key", "host": "1.key", "jobs": "1.doc_count"},
    sql="""
        select time, host, count(*) as jobs from lines
        where action in ('job.succeeded', 'job.failed') and host is not null group by all order by all
    """,
    view={
        "mark": BAR,
        "encoding": {
            "x": {"field": "time", "type": "temporal", "title": None},
            "y": {"field": "jobs", "type": "quantitative", "title": "jobs", "stack": True},
            "color": {"field": "host", "type": "nominal", "title": "instance"},
        },
    },
)

OUTLIERS = Panel(
    id="load-outliers",
    title="Slow GPUs",
    note=f"Seconds of work for a second of audio, as a multiple of the fleet's median; from {SLOW} on red.",
    body=request(
        made(),
        by(
            "gpu",
            "tutti.gpu.id",
            {"work": total("event.duration"), "audio": total("tutti.audio.seconds")},
            size=500,
        ),
    ),
    levels=("gpu.buckets",),
    fields={"gpu": "0.key", "jobs": "0.doc_count", "work": "0.work.value", "audio": "0.audio.value"},
    derive={"cost": "datum.work / 1e9 / datum.audio"},
    sql=f"""
        select gpu, count(*) as jobs, sum(duration) as work, sum(audio) as audio
        from lines where {MADE} and gpu is not null group by all order by all
    """,  # noqa: S608 - constants of the package
    post=(
        {"joinaggregate": [{"op": "median", "field": "cost", "as": "middle"}]},
        {"calculate": "datum.cost / datum.middle", "as": "times"},
    ),
    view={
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {
            "y": {"field": "gpu", "type": "nominal", "sort": "-x", "title": "GPU"},
            "x": {"field": "times", "type": "quantitative", "title": "times the median"},
            "color": {
                "condition": {"test": f"datum.times >= {SLOW}", "value": "#c62828"},
                "value": "#4c78a8",
            },
        },
    },
)

PANELS = (BUSY, JOBS, OUTLIERS)
