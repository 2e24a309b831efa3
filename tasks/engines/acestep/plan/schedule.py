"""When each denoising step happens: upstream's schedules, in the numbers that the network computes in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import torch

SNAPPED_SHIFTS, SNAPPED_STEPS = (1.0, 2.0, 3.0), 8
"""A turbo checkpoint was distilled at these schedules' times; times of one's own are snapped to them."""

Kind = Literal["euler", "predict", "correct"]


class Step(NamedTuple):
    """One pass of the network (1 is noise, 0 is music).

    Attributes:
        time: What the network is told.
        start: Where the step begins that the pass belongs to.
        until: Where it ends.
        number: That step's, from 0.
        kind: Heun's method takes two passes a step, the second at the step's end.
    """

    time: float
    start: float
    until: float
    number: int
    kind: Kind = "euler"

    @property
    def delta(self) -> float:
        """How far the step goes; negative."""
        return self.until - self.start

    @property
    def ends(self) -> bool:
        """Whether the step is taken after this pass."""
        return self.kind != "predict"


@lru_cache(maxsize=256)
def times_of(count: int, shift: float, dtype: torch.dtype) -> tuple[float, ...]:
    """The times of so many steps and the closing 0, shifted in the network's numbers as upstream does it."""
    # spread in float32: a CPU's own bfloat16 steps are further from the mark than a GPU's
    times = torch.linspace(1.0, 0.0, count + 1, dtype=torch.float32).to(dtype)
    if shift != 1.0:
        times = shift * times / (1 + (shift - 1) * times)
    return (*times[:-1].tolist(), 0.0)


@lru_cache(maxsize=256)
def turbo_times_of(count: int, shift: float, dtype: torch.dtype) -> tuple[float, ...]:
    """The same of a turbo checkpoint, which upstream computes in doubles and rounds at the end."""
    raw = [1.0 - number / count for number in range(count)]
    return (*_rounded([_shifted(time, shift) for time in raw], dtype), 0.0)


def own_times(times: Sequence[float], dtype: torch.dtype, *, turbo: bool) -> tuple[float, ...]:
    """Times of one's own, with the closing 0; those of a turbo checkpoint are snapped to what it learnt.

    Raises:
        ValueError: No time above 0 is left.
    """
    wanted = [time for time in times if time > 0]
    if turbo:
        wanted = list(dict.fromkeys(_snapped(time) for time in wanted))
    if not wanted:
        raise ValueError("timesteps has no time above 0")
    return (*_rounded(wanted, dtype), 0.0)


def start_at(times: tuple[float, ...], level: float) -> tuple[float, ...]:
    """The rest of a schedule from the time nearest to a level of noise."""
    first = min(range(len(times) - 1), key=lambda number: abs(times[number] - level))
    return times[first:]


def steps_of(times: tuple[float, ...], *, heun: bool = False, turbo: bool = False) -> tuple[Step, ...]:
    """The passes that a schedule takes; a turbo checkpoint's last step is never Heun's."""
    steps: list[Step] = []
    last = len(times) - 2
    for number, (start, until) in enumerate(itertools.pairwise(times)):
        if heun and not (turbo and number == last):
            steps.append(Step(start, start, until, number, "predict"))
            steps.append(Step(until, start, until, number, "correct"))
        else:
            steps.append(Step(start, start, until, number))
    return tuple(steps)


def _shifted(time: float, shift: float) -> float:
    return time if shift == 1.0 else shift * time / (1.0 + (shift - 1.0) * time)


def _rounded(times: Sequence[float], dtype: torch.dtype) -> list[float]:
    found: list[float] = torch.tensor(times, dtype=torch.float64).to(dtype).tolist()
    return found


@lru_cache(maxsize=1)
def _learnt() -> tuple[float, ...]:
    raw = [1.0 - number / SNAPPED_STEPS for number in range(SNAPPED_STEPS)]
    return tuple(sorted({_shifted(time, shift) for shift in SNAPPED_SHIFTS for time in raw}))


def _snapped(time: float) -> float:
    return min(_learnt(), key=lambda known: abs(known - time))
