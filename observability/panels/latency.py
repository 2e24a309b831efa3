"""Which of the two drives latency: the prompt's length, or the audio's?

The plain scatter of length against latency is horizontal bands, one for each audio length, and its plain
correlation is close to nothing even where length matters. So everything here is shown per audio length, and
the correlation with the audio's length held constant stands beside the plain one.
"""

from __future__ import annotations

from observability.panels.correlation import AUDIO, CHARS, CORRELATION, SPEARMAN, TOOK
from observability.panels.lens import Classes, Lens, Measure, Steps, Time
from observability.panels.panel import Panel, Vega
from observability.panels.query import (
    LENGTH_KQL,
    LENGTH_NAMES,
    LENGTH_SQL,
    MADE,
    MADE_KQL,
    Json,
    made,
    request,
)

STEP = 100
SAMPLE = 50
BY_LENGTH_CLASS = Classes("length", "audio", LENGTH_KQL)
LENGTH_COLOR: Json = {
    "field": "length",
    "type": "nominal",
    "sort": LENGTH_NAMES,
    "title": "audio",
    "scale": {"scheme": {"name": "viridis", "extent": [0.3, 0.95]}},  # seen on white and on black
}


def _sampled() -> Json:
    """Score lines at random but the same each time, so that every length of prompt shows its share."""
    random = {"seed": 7, "field": "_seq_no"}
    return {"function_score": {"query": made(), "random_score": random, "boost_mode": "replace"}}


SCATTER = Panel(
    id="latency-scatter",
    title="Latency against prompt length",
    note=f"Each point is a song; up to {SAMPLE} for every {STEP} characters. Colour is the audio's length: "
    "compare points of one colour.",
    kibana=Vega(
        body=request(
            _sampled(),
            {
                "chars": {
                    "histogram": {"field": CHARS, "interval": STEP, "min_doc_count": 1},
                    "aggs": {
                        "some": {
                            "top_hits": {"size": SAMPLE, "sort": ["_score"], "_source": [CHARS, AUDIO, TOOK]}
                        }
                    },
                }
            },
        ),
        levels=("chars.buckets", "some.hits.hits"),
        fields={
            "chars": "1._source.tutti.prompt.chars",
            "audio": "1._source.tutti.audio.seconds",
            "ns": "1._source.event.duration",
        },
    ),
    derive={"seconds": "datum.ns / 1e9"},
    sql=f"""
        select chars, audio, duration as ns from lines where {MADE} and chars is not null
        qualify row_number() over (partition by chars // {STEP} order by hash(job)) <= {SAMPLE}
    """,  # noqa: S608 - constants of this module
    view={
        "mark": {"type": "point", "filled": True, "opacity": 0.6, "tooltip": True},
        "encoding": {
            "x": {"field": "chars", "type": "quantitative", "title": "prompt, characters"},
            "y": {"field": "seconds", "type": "quantitative", "title": "latency, s"},
            "color": {
                "field": "audio",
                "type": "quantitative",
                "title": "audio, s",
                "scale": {"scheme": {"name": "viridis", "extent": [0.3, 0.95]}},
            },
        },
    },
    height=320,
)

BY_LENGTH = Panel(
    id="latency-quantiles",
    title="Latency by prompt length, for each audio length",
    note="Median and 95th percentile (dashed on the web page). Rising lines say that longer prompts take "
    "longer; lines far apart say that the audio's length decides.",
    kibana=Lens(
        kind="lines",
        only=MADE_KQL,
        across=Steps("chars", "prompt, characters", CHARS, most=25),
        by=BY_LENGTH_CLASS,
        measures=(
            Measure(name="p50", label="median", operation="percentile", field=TOOK, percent=50),
            Measure(name="p95", label="95th percentile", operation="percentile", field=TOOK, percent=95),
        ),
        axis="latency",
    ),
    derive={"seconds": "datum.ns / 1e9"},
    sql=f"""
        select length, chars, unnest([50, 95]) as quantile, unnest(p) as ns from (
            select {LENGTH_SQL} as length, chars // {STEP} * {STEP} as chars,
                   quantile_cont(duration, [0.5, 0.95]) as p
            from lines where {MADE} and chars is not null group by all
        ) order by all
    """,  # noqa: S608
    view={
        "encoding": {
            "x": {"field": "chars", "type": "quantitative", "title": f"prompt, characters (steps of {STEP})"},
            "y": {"field": "seconds", "type": "quantitative", "title": "latency, s"},
            "color": LENGTH_COLOR,
        },
        "layer": [  # points of their own: with `point: true` the legend would show dots for the dashes
            {
                "mark": "line",
                "encoding": {"strokeDash": {"field": "quantile", "type": "nominal", "title": "percentile"}},
            },
            {
                "mark": {"type": "circle", "size": 28, "opacity": 1, "tooltip": {"content": "data"}},
                "encoding": {"detail": {"field": "quantile"}},
            },
        ],
    },
    height=320,
)

COST = Panel(
    id="latency-cost",
    title="Seconds of work for a second of audio",
    note="Work is the last attempt, from claim to file. Flat and close together is good: the price of a song "
    "is its length.",
    kibana=Lens(
        kind="lines",
        only=MADE_KQL,
        across=Time(),
        by=BY_LENGTH_CLASS,
        measures=(
            Measure(
                name="cost",
                label="s of work per s of audio",
                operation="ratio",
                parts=(
                    Measure(name="work", label="work", operation="sum", field=TOOK),
                    Measure(name="audio", label="audio", operation="sum", field=AUDIO),
                ),
                divisor=1_000_000_000,
                decimals=2,
            ),
        ),
        axis="s of work per s of audio",
    ),
    derive={"cost": "datum.work / 1e9 / datum.audio"},
    sql=f"""
        select time, {LENGTH_SQL} as length, count(*) as jobs, sum(duration) as work, sum(audio) as audio
        from lines where {MADE} and audio is not null group by all order by all
    """,  # noqa: S608
    post=({"filter": "datum.jobs > 0"},),
    view={
        "mark": {"type": "line", "point": True, "tooltip": True},
        "encoding": {
            "x": {"field": "time", "type": "temporal", "title": None},
            "y": {"field": "cost", "type": "quantitative", "title": "s of work per s of audio"},
            "color": LENGTH_COLOR,
        },
    },
)

PANELS = (SCATTER, BY_LENGTH, CORRELATION, SPEARMAN, COST)
