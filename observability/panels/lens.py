"""A panel that Kibana's Lens draws: what it counts, over what, split by what.

Described in our own words, so that it can be read at a glance; `observability.kibana.lens` writes Lens's. The
name of each part is also the name of its column in the rows that the log files give for the same panel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["bars", "lines", "area", "heatmap", "figure"]
Operation = Literal["count", "sum", "average", "max", "percentile", "ratio", "running_total"]
Unit = Literal["number", "percent", "bytes"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number.

    Attributes:
        name: Its column.
        label: What people read.
        operation: How it is made; `ratio` divides the first of `parts` by the second.
        field: Of the lines; not for a count or a ratio.
        percent: Which percentile.
        only: KQL; just these lines are counted.
        parts: Of a ratio.
        divisor: A ratio's first part is divided by this too, for its unit.
        unit: How it is written.
        decimals: How exactly.
    """

    name: str
    label: str
    operation: Operation = "count"
    field: str = ""
    percent: int = 50
    only: str = ""
    parts: tuple[Measure, ...] = ()
    divisor: int = 1
    unit: Unit = "number"
    decimals: int = 0


@dataclass(frozen=True)
class Time:
    """Steps of time, as many as suit the range."""

    name: str = "time"


@dataclass(frozen=True)
class Values:
    """A class for each value of a field, the most frequent (or else the first by name) up to `size`."""

    name: str
    label: str
    field: str
    size: int = 50


@dataclass(frozen=True)
class Steps:
    """Steps of a number: some `most`, of a round width."""

    name: str
    label: str
    field: str
    most: int


@dataclass(frozen=True)
class Classes:
    """Classes by query: pairs of a label and KQL."""

    name: str
    label: str
    queries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Lens:
    """One Lens panel.

    Attributes:
        kind: Its shape.
        only: KQL for the lines that it is about.
        measures: The numbers; several of bars or areas are stacked.
        across: Along the horizontal axis; nothing for a figure.
        by: One series, or row, for each of these.
        axis: What the numbers' axis is called.
        to: The end of the numbers' axis where it is known.
    """

    kind: Kind
    only: str
    measures: tuple[Measure, ...]
    across: Time | Values | Steps | None = None
    by: Values | Classes | None = None
    axis: str = ""
    to: float | None = None
