"""A panel: one question, asked of Elasticsearch by Kibana, or of the log files by SQL.

Kibana draws most panels with Lens, which people can edit and click through; what Lens cannot draw is a
Vega-Lite spec that asks Elasticsearch itself. The log files' rows are always drawn by Vega-Lite; a Vega panel
has the same picture in both places, for both ways give rows with the same fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from observability.panels.lens import Lens
from observability.panels.query import INDEX, Json

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # what Kibana 9 draws without a warning
LOCAL_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # what vl-convert carries
CONFIG: Json = {
    "axis": {"labelFontSize": 11, "titleFontSize": 12},
    "view": {"stroke": None},
    "legend": {"layout": {"bottom": {"direction": "vertical", "anchor": "start"}}},
}
_INK = "#e8eaf0"
NIGHT: Json = {  # over CONFIG, where people prefer the dark
    "background": "#20242c",
    "axis": {
        "labelColor": _INK,
        "titleColor": _INK,
        "gridColor": "#3a4050",
        "domainColor": "#889",
        "tickColor": "#889",
    },
    "legend": {"labelColor": _INK, "titleColor": _INK},
    "text": {"color": _INK},
}


@dataclass(frozen=True, kw_only=True)
class Vega:
    """How a Vega panel asks Elasticsearch, and how the answer becomes rows.

    Attributes:
        body: The request, with Kibana's placeholders for time and controls.
        levels: Paths of the arrays to flatten: the first from `aggregations`, each next from the one before.
        fields: Flat name -> path; a path starts with `0.`, `1.`, ... for the level it is read from.
        ways: Names of aggregations that list the same things in different orders; listed twice is one row.
    """

    body: Json
    levels: tuple[str, ...]
    fields: Mapping[str, str]
    ways: tuple[str, ...] = ()

    def data(self) -> Json:
        """The spec's data: Kibana sends the body and puts the answer in its place."""
        path = "aggregations" if self.ways else f"aggregations.{self.levels[0]}"
        return {"url": {"index": INDEX, "body": self.body}, "format": {"property": path}}

    def flatten(self) -> list[Json]:
        """The transforms that make rows of the answer."""
        steps: list[Json] = []
        levels, first = self.levels[1:], ""
        if self.ways:
            steps += [
                {"fold": list(self.ways), "as": ["way", "listed"]},
                {"flatten": [f"listed.{self.levels[0]}"], "as": ["b0"]},
            ]
            first = "b0."
        for number, path in enumerate(levels, 1):
            above = f"b{number - 1}." if number > 1 else first
            steps.append({"flatten": [above + path], "as": [f"b{number}"]})
        steps += [{"calculate": _datum(path, first), "as": name} for name, path in self.fields.items()]
        if self.ways:
            steps.append({"aggregate": [{"op": "count", "as": "listings"}], "groupby": list(self.fields)})
        return steps

    def rows(self, answer: Json) -> list[Json]:
        """The same rows, without Vega."""
        found = answer["aggregations"]
        rows: list[Json] = []
        for node in [found[way] for way in self.ways] if self.ways else [found]:
            for chain in _chains(node, self.levels):
                row = {name: _at(chain, path) for name, path in self.fields.items()}
                if not self.ways or row not in rows:
                    rows.append(row)
        return rows


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        id: Its name in addresses and files.
        title: What it shows.
        note: How to read it, in a sentence or two.
        kibana: How Kibana asks and draws it.
        sql: The query over the view `lines` of the log files.
        view: The marks and encodings of the picture of those rows.
        derive: Flat name -> arithmetic over `datum.<name>`, in the syntax that Vega and Python share.
        post: Vega-Lite transforms after that.
        height: Of the picture, in pixels.
    """

    id: str
    title: str
    note: str
    kibana: Vega | Lens
    sql: str
    view: Json
    derive: Mapping[str, str] = field(default_factory=dict)
    post: tuple[Json, ...] = ()
    height: int = 260

    def kibana_spec(self) -> Json:
        """The Vega-Lite spec that asks Elasticsearch itself; only a Vega panel has one.

        Kibana's own settings stand under `config.kibana`: warnings over a picture help nobody who reads it.
        """
        if not isinstance(self.kibana, Vega):
            raise TypeError(f"{self.id} is drawn by Lens")
        transforms = [*self.kibana.flatten(), *self._derived(), *self.post]
        spec = self._spec(self.kibana.data(), transforms)
        return spec | {
            "config": CONFIG | {"kibana": {"hideWarnings": True}},
            "autosize": {"type": "fit", "contains": "padding"},
        }

    def local_spec(self, rows: list[Json], *, width: int | str = 640) -> Json:
        """The spec with rows from the log files."""
        spec = self._spec({"values": rows}, [*self._derived(), *self.post])
        return spec | {"$schema": LOCAL_SCHEMA, "width": width, "height": self.height}

    def derived(self, row: Json) -> Json:
        """A row with its derived fields."""
        row = dict(row)
        for name, expression in self.derive.items():
            row[name] = _calculate(expression, row)
        return row

    def _spec(self, data: Json, transform: list[Json]) -> Json:
        head = {"$schema": SCHEMA, "config": CONFIG, "data": data}
        return {**head, **({"transform": transform} if transform else {}), **self.view}

    def _derived(self) -> list[Json]:
        return [{"calculate": expression, "as": name} for name, expression in self.derive.items()]


def figure(name: str, form: str) -> Json:
    """Give the view of a panel that is one number."""
    text = {"field": name, "type": "quantitative", "format": form}
    return {"mark": {"type": "text", "fontSize": 42}, "encoding": {"text": text}}


def _datum(path: str, first: str) -> str:
    level, rest = path.split(".", 1)
    above = f".{first}"[:-1] if level == "0" else f".b{level}"
    return f"datum{above}" + "".join(f"[{part!r}]" for part in rest.split("."))


def _chains(node: Json, levels: tuple[str, ...]) -> Iterator[list[Json]]:
    for item in _walk(node, levels[0]):
        if levels[1:]:
            yield from ([item, *rest] for rest in _chains(item, levels[1:]))
        else:
            yield [item]


def _walk(node: Any, path: str) -> Any:
    for part in path.split("."):
        node = node.get(part) if node is not None else None
    return node


def _at(chain: list[Json], path: str) -> Any:
    level, rest = path.split(".", 1)
    return _walk(chain[int(level)], rest)


class _Datum:
    def __init__(self, row: Json) -> None:
        self.__dict__.update({name: value if value is not None else math.nan for name, value in row.items()})


def _calculate(expression: str, row: Json) -> Any:
    """Evaluate our own arithmetic; never anything that came from outside."""
    names = {"datum": _Datum(row), "sqrt": math.sqrt, "max": max, "min": min}
    try:
        return eval(expression, {"__builtins__": {}}, names)  # noqa: S307 - the panels of this package only
    except (ZeroDivisionError, ValueError):
        return None
