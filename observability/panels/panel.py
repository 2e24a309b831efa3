"""A panel: one question, asked of Elasticsearch or of the log files, answered by one Vega-Lite picture.

Both ways give rows with the same fields, so the picture is described once. From Elasticsearch they are the
buckets of one request, flattened level by level; from the files they are the result of one SQL query.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

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
class Panel:
    """One panel.

    Attributes:
        id: Its name in addresses and files.
        title: What it shows.
        note: How to read it, in a sentence or two.
        body: The Elasticsearch request, with Kibana's placeholders for time and controls.
        levels: Paths of the arrays to flatten: the first from `aggregations`, each next from the one before.
        fields: Flat name -> path; a path starts with `0.`, `1.`, ... for the level it is read from.
        sql: The query over the view `lines` that gives the same fields.
        derive: Flat name -> arithmetic over `datum.<name>`, in the syntax that Vega and Python share.
        post: Vega-Lite transforms after that.
        view: The marks and encodings.
        height: Of the picture, in pixels.

    """

    id: str
    title: str
    note: str
    body: Json
    levels: tuple[str, ...]
    fields: Mapping[str, str]
    sql: str
    view: Json
    derive: Mapping[str, str] = field(default_factory=dict)
    post: tuple[Json, ...] = ()
    height: int = 260

    def kibana_spec(self) -> Json:
        """The Vega-Lite spec that asks Elasticsearch itself, for a Vega panel of Kibana."""
        data = {
            "url": {"index": INDEX, "body": self.body},
            "format": {"property": f"aggregations.{self.levels[0]}"},
        }
        return self._spec(data, [*self._flatten(), *self._derived(), *self.post]) | {
            "autosize": {"type": "fit", "contains": "padding"}
        }

    def answered_spec(self, answer: Json, *, width: int = 640) -> Json:
        """The same spec with an answer of Elasticsearch in the place of the question."""
        spec = self.kibana_spec()
        spec["data"] = {"values": answer, "format": spec["data"]["format"]}
        return spec | {"width": width, "height": self.height}

    def local_spec(self, rows: list[Json], *, width: int | str = 640) -> Json:
        """The spec with rows from the log files."""
        spec = self._spec({"values": rows}, [*self._derived(), *self.post])
        return spec | {"$schema": LOCAL_SCHEMA, "width": width, "height": self.height}

    def rows(self, answer: Json) -> Iterator[Json]:
        """The flat rows of an answer, as the picture sees them before `post`."""
        for chain in _chains(answer["aggregations"], self.levels):
            row = {name: _at(chain, path) for name, path in self.fields.items()}
            yield self.derived(row)

    def derived(self, row: Json) -> Json:
        """A row with its derived fields."""
        row = dict(row)
        for name, expression in self.derive.items():
            row[name] = _calculate(expression, row)
        return row

    def _spec(self, data: Json, transform: list[Json]) -> Json:
        head = {"$schema": SCHEMA, "config": CONFIG, "data": data}
        return {**head, **({"transform": transform} if transform else {}), **self.view}

    def _flatten(self) -> list[Json]:
        steps: list[Json] = []
        for number, path in enumerate(self.levels[1:], 1):
            above = f"b{number - 1}." if number > 1 else ""
            steps.append({"flatten": [above + path], "as": [f"b{number}"]})
        return steps + [{"calculate": _datum(path), "as": name} for name, path in self.fields.items()]

    def _derived(self) -> list[Json]:
        return [{"calculate": expression, "as": name} for name, expression in self.derive.items()]


def _datum(path: str) -> str:
    level, rest = path.split(".", 1)
    above = "" if level == "0" else f".b{level}"
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
