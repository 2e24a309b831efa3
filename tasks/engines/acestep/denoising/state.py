"""One song on its way through the engine, and the marks that it leaves on the device's clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from tasks.engines.acestep.conditioning.conditioner import Words
from tasks.engines.acestep.decoding.decoder import Pending
from tasks.engines.acestep.denoising.guidance import Guidance
from tasks.engines.acestep.plan.plan import Plan
from tasks.engines.engine import Song

Mark = torch.cuda.Event | float
"""When the device reached a point; it works behind the program that asks for its work."""


def mark(device: torch.device) -> Mark:
    """Remember when the device reaches this point."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def seconds(start: Mark, end: Mark) -> float:
    """Seconds from one mark to another; the device must have reached both."""
    if isinstance(start, float) or isinstance(end, float):
        return float(end) - float(start)  # type: ignore[arg-type]  # marks of one device are of one kind
    end.synchronize()
    return float(start.elapsed_time(end)) / 1_000


@dataclass(eq=False)
class SongState:
    """What the engine knows of one song.

    Attributes:
        noise: What the song starts from, [latents, channels]; to be waited for, since a thread draws it.
        since: When it was admitted, by the monotonic clock.
        taken: Denoising steps done.
        condition: Rows of the network's condition, kept until they are in the key pool.
        key_start: First row of its keys in the pool; None while it has none.
        audio: The sound, from the moment that its decoding was asked for.

    """

    song: Song
    plan: Plan
    words: Words
    noise: Callable[[], Tensor]
    guidance: Guidance | None
    context: Tensor | None = None
    since: float = field(default_factory=time.monotonic)
    taken: int = 0
    key_start: int | None = None
    audio: Pending | None = None
    marks: dict[str, Mark] = field(default_factory=dict)

    @cached_property
    def latents(self) -> Tensor:
        """What it is by now, [latents, channels]; a view of the pack's rows while it is seated in one."""
        return self.noise()

    @property
    def done(self) -> bool:
        """Whether the sound is on the host, so that `decode` returns at once."""
        return self.audio is not None and self.audio.ready

    @property
    def progress(self) -> float:
        """Share done; decoding counts as one step."""
        return 1.0 if self.done else self.taken / (len(self.plan.steps) + 1)

    @property
    def stage(self) -> str:
        """What is being done, in words for the person who waits."""
        if self.denoised:
            return "turning it into sound"
        return f"step {self.taken + 1} of {len(self.plan.steps)}" if self.taken else "reading the prompt"

    def wait(self) -> None:
        """Wait until the sound is on the host."""
        if self.audio is not None:
            self.audio.samples()

    @property
    def denoised(self) -> bool:
        """Whether every denoising step is taken."""
        return self.taken == len(self.plan.steps)
