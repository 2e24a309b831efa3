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
from tasks.engines.acestep.denoising.sampler import Sampler
from tasks.engines.acestep.plan.plan import Plan
from tasks.engines.acestep.plan.schedule import Step
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
class Aside:
    """What a song hears once it follows the words alone: its keys and its context."""

    words: Words
    key_start: int | None = None
    context: Tensor | None = None
    followed: bool = False


@dataclass(eq=False)
class SongState:
    """What the engine knows of one song.

    Attributes:
        noise: What the song starts from, [latents, channels]; to be waited for, since a thread draws it.
        since: When it was admitted, by the monotonic clock.
        taken: Passes of the network done.
        context: What the network sees beside the latents, [latents, 2 * channels].
        key_start: First row of its keys in the pool; None while it has none.
        aside: The same two for the steps that follow the words alone, where there are such.
        audio: The sound, from the moment that its decoding was asked for.
    """

    song: Song
    plan: Plan
    words: Words
    noise: Callable[[], tuple[Tensor, Tensor | None]]
    sampler: Sampler
    context: Tensor | None = None
    aside: Aside | None = None
    since: float = field(default_factory=time.monotonic)
    taken: int = 0
    key_start: int | None = None
    audio: Pending | None = None
    marks: dict[str, Mark] = field(default_factory=dict)

    @cached_property
    def latents(self) -> Tensor:
        """What it is by now, [latents, channels]; a view of the pack's rows while it is seated in one."""
        return self.sampler.start(*self.noise(), self.sampler.clean)

    @property
    def step(self) -> Step:
        """The next pass of the network."""
        return self.plan.sampling.steps[self.taken]

    @property
    def rows(self) -> int:
        """Rows of the keys that it reads now."""
        return self.words.rows if self.aside is None or not self.aside.followed else self.aside.words.rows

    def turn_aside(self) -> int | None:
        """Go on with the words alone, where it is time; returns the keys that are read no more."""
        if self.aside is None or self.aside.followed or self.denoised:
            return None
        if self.step.number < self.plan.followed:
            return None
        left, self.key_start, self.context = self.key_start, self.aside.key_start, self.aside.context
        self.aside.followed, self.aside.key_start = True, None
        return left

    @property
    def done(self) -> bool:
        """Whether the sound is on the host, so that `decode` returns at once."""
        return self.audio is not None and self.audio.ready

    @property
    def progress(self) -> float:
        """Share done; decoding counts as one step."""
        return 1.0 if self.done else self.taken / (len(self.plan.sampling.steps) + 1)

    @property
    def stage(self) -> str:
        """What is being done, in words for the person who waits."""
        if self.denoised:
            return "turning it into sound"
        return (
            f"step {self.step.number + 1} of {self.plan.sampling.count}"
            if self.taken
            else "reading the prompt"
        )

    def wait(self) -> None:
        """Wait until the sound is on the host."""
        if self.audio is not None:
            self.audio.samples()

    @property
    def denoised(self) -> bool:
        """Whether every denoising step is taken."""
        return self.taken == len(self.plan.sampling.steps)
