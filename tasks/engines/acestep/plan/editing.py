"""What an edit keeps and what it makes: the window, how hard its edges are held, the source it works on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.engines.acestep.plan.uploads import refuse
from tasks.jobs import SECONDS_MAX, JobRequest

WINDOWED = frozenset({"repaint", "lego"})  # tasks that make a part of the source
BLEND_LATENTS, FADE_SECONDS = 25, 0.05  # of the conservative mode; the balanced one takes a share of them
STRENGTH = 0.5


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A window of the source that is made anew.

    Attributes:
        start, stop: Latents of the window.
        first, last: The window in frames of audio.
        injection: Share of the steps after which the rest is put back to the source.
        blend: Latents over which the window's edges fade into the source outside it.
        fade: Frames over which the sound does; None where the sound outside is made, not kept.
        explicit: Whether the network is told the window.
        silent: Whether the network hears silence in the window (repaint), or the source (lego).
    """

    start: int
    stop: int
    first: int
    last: int
    injection: float
    blend: int
    fade: int | None
    explicit: bool
    silent: bool

    def all_of(self, frames: int) -> bool:
        """Whether the window is the whole song."""
        return self.first == 0 and self.last >= frames

    def inside(self, latents: int) -> Tensor:
        """Whether each latent is in the window, bool [latents, 1]."""
        found = torch.zeros(latents, 1, dtype=torch.bool)
        found[self.start : self.stop] = True
        return found


def extend(ask: JobRequest, source: Tensor, rate: int) -> Tensor:
    """The source with silence before and after, as far as the window reaches past it.

    Raises:
        JobError: It would be too long.
    """
    if ask.task_type not in WINDOWED:
        return source
    seconds = source.shape[-1] / rate
    before = max(0.0, -(ask.repaint_start or 0.0))
    after = max(0.0, (ask.repaint_end or 0.0) - seconds)
    if before + seconds + after > SECONDS_MAX:
        raise refuse(f"the song would last {before + seconds + after:.0f} s of at most {SECONDS_MAX:.0f}")
    return torch.nn.functional.pad(source, (int(before * rate), int(after * rate)))


def plan_edit(ask: JobRequest, *, seconds: float, latents: int, hop: int, rate: int) -> Edit | None:
    """Decide what is made; None where the task makes all.

    Args:
        ask: What is asked.
        seconds: Length of the source before it was extended.
        latents: Length of the extended source.
        hop: Frames that a latent stands for.
        rate: Frames a second.
    """
    if ask.task_type not in WINDOWED:
        return None
    before = max(0.0, -(ask.repaint_start or 0.0))
    start = (ask.repaint_start or 0.0) + before
    end = (seconds if ask.repaint_end is None else ask.repaint_end) + before
    if end <= start:
        raise refuse(f"repaint_start has to be before the source's end, which is at {seconds:.1f} s")
    first = max(0, min(int(start * rate // hop), latents - 1))
    injection, blend, fade = _holds(ask)
    frames = latents * hop
    stop = max(first + 1, min(int(end * rate // hop), latents))
    return Edit(
        start=first,
        stop=stop,
        first=min(int(start * rate), frames),
        last=min(int(end * rate), frames),
        injection=injection,
        blend=blend,
        fade=None if fade is None else int(fade * rate),
        explicit=ask.chunk_mask_mode == "explicit",
        silent=ask.task_type == "repaint",
    )


def _holds(ask: JobRequest) -> tuple[float, int, float | None]:
    """Share of the steps that are injected, latents that are blended, seconds that the sound fades."""
    match ask.repaint_mode or "balanced":
        case "conservative":
            return 1.0, BLEND_LATENTS, FADE_SECONDS
        case "aggressive":
            return 0.0, 0, None
    held = 1.0 - (STRENGTH if ask.repaint_strength is None else ask.repaint_strength)
    return held, round(BLEND_LATENTS * held), FADE_SECONDS * held
