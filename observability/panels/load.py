"""How loaded is every instance and GPU, and which GPU is slower than its fellows?

Load comes from heartbeats: durations of jobs would put a job's whole time into the minute in which it ended
and show nothing for an idle hour.
"""

from __future__ import annotations

from observability.panels.lens import Lens, Measure, Time, Values
from observability.panels.panel import Panel, Vega, figure
from observability.panels.query import (
    BAR,
    FINISHED,
    MADE,
    MADE_KQL,
    Json,
    action_kql,
    by,
    made,
    request,
    total,
)

SLOW = 1.3  # times the fleet's median
GPUS = Values("gpu", "GPU", "tutti.gpu.id", size=500)
BEATS = action_kql("worker.heartbeat")


def _over_time(name: str, title: str, **more: Json) -> Json:
    return {
        "mark": {"type": "line", "interpolate": "step-after", "tooltip": True},
        "encoding": {
            "x": {"field": "time", "type": "temporal", "title": None},
            "y": {"field": name, "type": "quantitative", "title": title, **more},
            "color": {"field": "gpu", "type": "nominal", "title": "GPU"},
        },
    }


SONGS = Panel(
    id="load-songs",
    title="Songs made",
    note="In the time shown, without those from the cache.",
    kibana=Lens(kind="figure", only=MADE_KQL, measures=(Measure(name="songs", label="songs"),)),
    sql=f"select count(*) as songs from lines where {MADE} having count(*) > 0",  # noqa: S608
    view=figure("songs", ",d"),
    height=80,
)

BUSY = Panel(
    id="load-busy",
    title="Busy share of every GPU",
    note="From the heartbeats, one every 15 s; a gap is a worker that fell silent.",
    kibana=Lens(
        kind="lines",
        only=BEATS,
        across=Time(),
        by=GPUS,
        measures=(
            Measure(name="busy", label="busy", operation="average", field="tutti.gpu.busy", unit="percent"),
        ),
        axis="busy",
        to=1,
    ),
    sql="""
        select time, gpu, count(*) as beats, avg(busy) as busy
        from lines where action = 'worker.heartbeat' and gpu is not null group by all order by all
    """,
    view=_over_time("busy", "busy", axis={"format": "%"}, scale={"domain": [0, 1]}),
)

MEMORY = Panel(
    id="load-memory",
    title="Memory in use on every GPU",
    note="The most in each step, from the heartbeats. A line that only climbs is a leak; one near the "
    "card's size ends in out_of_memory.",
    kibana=Lens(
        kind="lines",
        only=BEATS,
        across=Time(),
        by=GPUS,
        measures=(
            Measure(
                name="memory",
                label="memory",
                operation="max",
                field="tutti.gpu.memory",
                unit="bytes",
                decimals=1,
            ),
        ),
        axis="memory in use",
    ),
    sql="""
        select time, gpu, max(memory) as memory
        from lines where action = 'worker.heartbeat' and gpu is not null and memory is not null
        group by all order by all
    """,
    derive={"gib": "datum.memory / 1073741824"},
    view=_over_time("gib", "GiB in use", scale={"zero": True}),
)

TEMPERATURE = Panel(
    id="load-temperature",
    title="Temperature of every GPU",
    note="The highest in each step, from the heartbeats. A card that runs hotter than its fellows "
    "throttles: look for it among the slow ones.",
    kibana=Lens(
        kind="lines",
        only=BEATS,
        across=Time(),
        by=GPUS,
        measures=(Measure(name="temperature", label="°C", operation="max", field="tutti.gpu.temperature"),),
        axis="°C",
    ),
    sql="""
        select time, gpu, max(temperature) as temperature
        from lines where action = 'worker.heartbeat' and gpu is not null and temperature is not null
        group by all order by all
    """,
    view=_over_time("temperature", "°C", scale={"zero": False}),
)

JOBS = Panel(
    id="load-jobs",
    title="Jobs ended by instance",
    note="How the work is spread over the machines.",
    kibana=Lens(
        kind="bars",
        only=action_kql(*FINISHED),
        across=Time(),
        by=Values("host", "instance", "host.name", size=500),
        measures=(Measure(name="jobs", label="jobs"),),
        axis="jobs",
    ),
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
    kibana=Vega(
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
    ),
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

PANELS = (SONGS, BUSY, JOBS, MEMORY, TEMPERATURE, OUTLIERS)
