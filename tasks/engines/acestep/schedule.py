"""When each denoising step happens, and what the network is told of it."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

TIMES_KEPT = 2_048  # 28 KB each at full size


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


class Moment(NamedTuple):
    """What the network is told of one time: `modulation` [6, d] for its layers, `out` [d] for its end."""

    modulation: Tensor
    out: Tensor


class Times:
    """Embeds times, one by one (so that no song's embedding depends on another's), and keeps them."""

    def __init__(self, transformer: Any, dtype: torch.dtype, device: torch.device) -> None:
        self._embed, self._embed_r = transformer.time_embed, transformer.time_embed_r
        self._dtype, self._device = dtype, device
        self._kept: OrderedDict[float, Moment] = OrderedDict()

    @torch.inference_mode()
    def __call__(self, time: float) -> Moment:
        """The embedding of one time."""
        if (moment := self._kept.get(time)) is not None:
            self._kept.move_to_end(time)
            return moment
        now = time * torch.ones((1,), device=self._device, dtype=self._dtype)
        out, modulation = self._embed(now)
        out_r, modulation_r = self._embed_r(now - now)  # this model's second time is always its first
        moment = Moment((modulation + modulation_r)[0], (out + out_r)[0])
        self._kept[time] = moment
        if len(self._kept) > TIMES_KEPT:
            self._kept.popitem(last=False)
        return moment
