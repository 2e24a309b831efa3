"""When each denoising step happens."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch


class Step(NamedTuple):
    """One Euler step: the time it starts at (1 is noise, 0 is music) and how far it goes (negative)."""

    time: float
    delta: float


@lru_cache(maxsize=256)
def steps(count: int, shift: float) -> tuple[Step, ...]:
    """The steps of one song, as diffusers' pipeline and its Euler scheduler take them.

    Computed in float32 because the scheduler does so; its last step goes to 0.
    """
    times = torch.linspace(1.0, 0.0, count + 1, dtype=torch.float32)
    if shift != 1.0:
        times = shift * times / (1 + (shift - 1) * times)
    deltas = torch.cat([times[1:-1], torch.zeros(1)]) - times[:-1]
    return tuple(map(Step, times[:-1].tolist(), deltas.tolist()))
