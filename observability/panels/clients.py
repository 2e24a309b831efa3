"""Which addresses and keys behave unlike the others: many requests, many refusals, one prompt over and over.

Prompts are known here only by their length and by a keyed hash.
"""

from __future__ import annotations

from observability.panels.panel import Panel, Vega
from observability.panels.query import Json, action, by, lines, request

SHORT = 12  # characters
UNUSUAL = "datum.refused_share > 0.1 || datum.repeats > 20 || datum.short_share > 0.5"
ASKED = ("job.accepted", "job.refused")


MOST = 50
# Names of the lists, and what each is ordered by: most requests; most refusals; never accepted, most refusals
# first. The last finds the quiet one that is always refused, however many others are refused now and then.
ORDERS: dict[str, list[Json]] = {
    "busiest": [{"_count": "desc"}],
    "refused": [{"refused": "desc"}],
    "never": [{"accepted": "asc"}, {"refused": "desc"}],
}


def _asked() -> Json:
    return {
        "accepted": {"filter": action("job.accepted")},
        "refused": {"filter": action("job.refused")},
        "short": {"filter": {"range": {"tutti.prompt.chars": {"lt": SHORT}}}},
        "hashed": {"filter": {"exists": {"field": "tutti.prompt.hmac"}}},
        "prompts": {"cardinality": {"field": "tutti.prompt.hmac", "precision_threshold": 3000}},
    }


def _named() -> tuple[Json, ...]:
    """Name who is unusual; of many in one place the first, and how many more there are.

    No filtered layer instead of an empty name: Vega warns of a layer without rows.
    """
    return (
        {"calculate": f"{UNUSUAL} ? 1 : 0", "as": "unusual"},
        {
            "calculate": "floor(log(datum.asked) / LN10) + '/' + floor(10 * datum.refused_share)",
            "as": "place",
        },
        {"joinaggregate": [{"op": "sum", "field": "unusual", "as": "there"}], "groupby": ["place"]},
        {
            "window": [{"op": "row_number", "as": "first"}],
            "groupby": ["place"],
            "sort": [
                {"field": "unusual", "order": "descending"},
                {"field": "refused_share", "order": "descending"},
                {"field": "asked", "order": "descending"},
            ],
        },
        {"calculate": "datum.there > 1 ? ' +' + (datum.there - 1) : ''", "as": "more"},
        {
            "calculate": "datum.unusual && datum.first == 1 ? datum.who + datum.more : ''",
            "as": "name",
        },
    )


def _panel(name: str, title: str, field: str, column: str) -> Panel:
    return Panel(
        id=f"clients-{name}",
        title=title,
        note="To the right: many requests. Up: mostly refused. Large: the same prompts repeated. "
        f"Dark: prompts under {SHORT} characters. The fifty busiest, the fifty most often refused, and the "
        "fifty most often refused of those that were never accepted.",
        kibana=Vega(
            body=request(
                lines(action(*ASKED)),
                {
                    way: by("who", field, _asked(), size=MOST, shard_size=5000, order=order)["who"]
                    for way, order in ORDERS.items()
                },
            ),
            levels=("buckets",),
            fields={
                "who": "0.key",
                "asked": "0.doc_count",
                "refused": "0.refused.doc_count",
                "short": "0.short.doc_count",
                "hashed": "0.hashed.doc_count",
                "prompts": "0.prompts.value",
            },
            ways=tuple(ORDERS),
        ),
        derive={
            "refused_share": "datum.refused / datum.asked",
            "short_share": "datum.short / datum.asked",
            "repeats": "datum.hashed - datum.prompts",
        },
        sql=f"""
            with clients as (
                select {column} as who, count(*) as asked,
                       count(*) filter (where action = 'job.refused') as refused,
                       count(*) filter (where chars < {SHORT}) as short,
                       count(hmac) as hashed, count(distinct hmac) as prompts
                from lines where action in ('job.accepted', 'job.refused') and {column} <> '' group by all
            )
            select * from clients qualify {MOST} >= least(
                row_number() over (order by asked desc, who),
                row_number() over (order by refused desc, who),
                row_number() over (order by asked - refused, refused desc, who)
            ) order by asked desc, who
        """,  # noqa: S608 - constants of this module
        post=(
            {"filter": "datum.who != ''"},
            *_named(),
        ),
        view={
            "encoding": {
                "x": {
                    "field": "asked",
                    "type": "quantitative",
                    "title": "requests",
                    "scale": {"type": "log"},
                    "axis": {"tickCount": 5, "format": "~s"},
                },
                "y": {
                    "field": "refused_share",
                    "type": "quantitative",
                    "title": "refused",
                    "axis": {"format": "%"},
                    "scale": {"domain": [0, 1]},
                },
            },
            "layer": [
                {
                    "mark": {"type": "circle", "tooltip": {"content": "data"}, "opacity": 0.8},
                    "encoding": {
                        "size": {
                            "field": "repeats",
                            "type": "quantitative",
                            "title": "repeated prompts",
                            "scale": {"range": [40, 600]},
                            "legend": {"orient": "bottom", "tickCount": 3},
                        },
                        "color": {
                            "field": "short_share",
                            "type": "quantitative",
                            "title": "short prompts",
                            "scale": {"scheme": "orangered", "domain": [0, 1]},
                            "legend": {"orient": "bottom", "format": "%", "gradientLength": 160},
                        },
                    },
                },
                {
                    "mark": {"type": "text", "align": "right", "dx": -12, "fontSize": 11},
                    "encoding": {"text": {"field": "name", "type": "nominal"}},
                },
            ],
        },
        height=300,
    )


ADDRESSES = _panel("addresses", "Addresses with unusual patterns", "source.ip", "ip")
KEYS = _panel("keys", "Keys with unusual patterns", "tutti.key.id", "key_id")

PANELS = (ADDRESSES, KEYS)
