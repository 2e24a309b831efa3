"""How closely latency goes with the prompt's length and with the audio's, in one number each.

The plain correlation of prompt and latency is close to nothing even where length matters, because the audio's
length moves latency far more; so it stands beside the one with the audio's length held constant.
"""

from __future__ import annotations

import math

from observability.panels.panel import Panel, Vega
from observability.panels.query import MADE, Json, made, request

CHARS, AUDIO, TOOK = "tutti.prompt.chars", "tutti.audio.seconds", "event.duration"

_PAIRS = {"xy": (CHARS, TOOK), "zy": (AUDIO, TOOK), "zx": (AUDIO, CHARS)}
_NAMES = ["prompt length", "prompt, same audio length", "audio length"]

CORRELATION = Panel(
    id="latency-correlation",
    title="What goes with latency",
    note="Pearson's correlation with latency. The middle bar is the prompt's with the audio's length held "
    "constant: the one to judge prompts by.",
    kibana=Vega(
        body=request(
            made(),
            {
                "all": {
                    "filters": {
                        "filters": [
                            {"bool": {"must": [{"exists": {"field": f}} for f in (CHARS, AUDIO, TOOK)]}}
                        ]
                    },
                    "aggs": {
                        "x": {"extended_stats": {"field": CHARS}},
                        "y": {"extended_stats": {"field": TOOK}},
                        "z": {"extended_stats": {"field": AUDIO}},
                        **{
                            name: {"weighted_avg": {"weight": {"field": weight}, "value": {"field": value}}}
                            for name, (weight, value) in _PAIRS.items()
                        },
                    },
                }
            },
        ),
        levels=("all.buckets",),
        fields={
            "n": "0.doc_count",
            **{f"m{v}": f"0.{v}.avg" for v in "xyz"},
            **{f"s{v}": f"0.{v}.std_deviation" for v in "xyz"},
            **{f"w{pair}": f"0.{pair}.value" for pair in _PAIRS},
        },
    ),
    derive={
        # Exact: the mean of y weighted by x is E[xy] / E[x].
        "rxy": "datum.mx * (datum.wxy - datum.my) / (datum.sx * datum.sy)",
        "rzy": "datum.mz * (datum.wzy - datum.my) / (datum.sz * datum.sy)",
        "rzx": "datum.mz * (datum.wzx - datum.mx) / (datum.sz * datum.sx)",
        "partial": "(datum.rxy - datum.rzx * datum.rzy)"
        " / sqrt((1 - datum.rzx * datum.rzx) * (1 - datum.rzy * datum.rzy))",
        "slope": "100 * datum.sy / 1e9 / datum.sx * (datum.rxy - datum.rzy * datum.rzx)"
        " / (1 - datum.rzx * datum.rzx)",
    },
    sql=f"""
        select count(*) as n, avg(chars) as mx, avg(duration) as my, avg(audio) as mz,
               stddev_pop(chars) as sx, stddev_pop(duration) as sy, stddev_pop(audio) as sz,
               sum(chars::double * duration) / sum(chars) as wxy, sum(audio * duration) / sum(audio) as wzy,
               sum(audio * chars) / sum(audio) as wzx
        from lines where {MADE} and chars is not null and audio is not null having count(*) > 1
    """,  # noqa: S608
    post=(
        {"calculate": "datum.rxy", "as": _NAMES[0]},
        {"calculate": "datum.partial", "as": _NAMES[1]},
        {"calculate": "datum.rzy", "as": _NAMES[2]},
        {"fold": _NAMES, "as": ["what", "r"]},
    ),
    view={
        "encoding": {
            "y": {
                "field": "what",
                "type": "nominal",
                "sort": _NAMES,
                "title": None,
                "axis": {"labelLimit": 260},
            },
            "x": {
                "field": "r",
                "type": "quantitative",
                "title": "correlation",
                "scale": {"domain": [-1, 1.4]},
                "axis": {"values": [-1, -0.5, 0, 0.5, 1]},
            },
        },
        "layer": [
            {"mark": {"type": "bar", "tooltip": True}},
            {
                "mark": {"type": "text", "align": "left", "dx": 4},
                "encoding": {"text": {"field": "r", "type": "quantitative", "format": ".2f"}},
            },
        ],
    },
    height=130,
)


def _ranks() -> tuple[Json, ...]:
    """Spearman: Pearson's correlation of the ranks, ties at their mean rank, from counted pairs."""
    steps: list[Json] = [{"joinaggregate": [{"op": "sum", "field": "n", "as": "all"}]}]
    for v in "xy":
        tied = {"op": "sum", "field": "n", "as": f"tied_{v}"}
        upto = {"op": "sum", "field": "n", "as": f"upto_{v}"}
        steps += [
            {"joinaggregate": [tied], "groupby": [v]},
            {"window": [upto], "sort": [{"field": v}], "frame": [None, 0]},
            {"calculate": f"datum.upto_{v} - (datum.tied_{v} - 1) / 2", "as": f"r{v}"},
        ]
    products = {"sx": "rx", "sy": "ry", "sxx": "rx*rx", "syy": "ry*ry", "sxy": "rx*ry"}
    for name, product in products.items():
        factors = " * ".join(f"datum.{factor}" for factor in product.split("*"))
        steps.append({"calculate": f"datum.n * {factors} / datum.all", "as": f"p{name}"})
    sums = [{"op": "sum", "field": f"p{name}", "as": name} for name in products]
    rho = "(datum.sxy - datum.sx * datum.sy)"
    spread = "sqrt((datum.sxx - datum.sx * datum.sx) * (datum.syy - datum.sy * datum.sy))"
    return (*steps, {"aggregate": sums}, {"calculate": f"{rho} / {spread}", "as": "rho"})


def _edges(shortest: float, longest: float, ratio: float) -> list[int]:
    """Edges in nanoseconds, each `ratio` above the one before."""
    number = math.ceil(math.log(longest / shortest, ratio))
    return [round(shortest * ratio**step * 1e9) for step in range(number + 1)]


RANK_STEP = 20  # characters: at most 101 classes of prompts, for none is longer than 2,000
EDGES = _edges(0.5, 3600, 1.025)  # 362 classes of latency, each 2.5 % wide; the outer two are open

SPEARMAN = Panel(
    id="latency-spearman",
    title="Do longer prompts rank slower?",
    note="Spearman's rank correlation of prompt length and latency, over every song of the time shown: it "
    "sees any steady rise.",
    # Not a composite aggregation: it comes in pages, and a picture cannot ask for the next. These classes are
    # never more than a request may have (65,536), however many songs there are.
    kibana=Vega(
        body=request(
            made(),
            {
                "y": {
                    "range": {
                        "field": TOOK,
                        "ranges": [
                            {"from": low, **({"to": top} if top else {})}
                            for low, top in zip([0, *EDGES], [*EDGES, None], strict=True)
                        ],
                    },
                    "aggs": {"x": {"histogram": {"field": CHARS, "interval": RANK_STEP, "min_doc_count": 1}}},
                }
            },
        ),
        levels=("y.buckets", "x.buckets"),
        fields={"x": "1.key", "y": "0.from", "n": "1.doc_count"},
    ),
    sql=f"""
        with edges as (select unnest({[0, *EDGES]}) as edge)
        select chars // {RANK_STEP} * {RANK_STEP} as x, edge as y, count(*) as n
        from lines asof join edges on duration >= edge
        where {MADE} and chars is not null group by all order by all
    """,  # noqa: S608
    post=_ranks(),
    view={
        "mark": {"type": "text", "fontSize": 42},
        "encoding": {"text": {"field": "rho", "type": "quantitative", "format": ".3f"}},
    },
    height=100,
)
