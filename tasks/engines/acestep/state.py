"""One song on its way through the engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from tasks.engines.acestep.brief import Brief
from tasks.engines.acestep.clock import Mark
from tasks.engines.acestep.conditioning import Words
from tasks.engines.acestep.decoding import Pending
from tasks.engines.acestep.guidance import Guidance
from tasks.engines.engine import Song


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
    brief: Brief
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
        return 1.0 if self.done else self.taken / (len(self.brief.steps) + 1)

    @property
    def stage(self) -> str:
        """What is being done, in words for the person who waits."""
        if self.denoised:
            return "turning it into sound"
        return f"step {self.taken + 1} of {len(self.brief.steps)}" if self.taken else "reading the prompt"

    def wait(self) -> None:
        """Wait until the sound is on the host."""
        if self.audio is not None:
            self.audio.samples()

    @property
    def denoised(self) -> bool:
        """Whether every denoising step is taken."""
        return self.taken == len(self.brief.steps)
