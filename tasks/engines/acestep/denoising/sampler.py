"""One song's steps: how its velocity becomes its next latents.

`advance` is the whole of upstream's step for a song by itself: clamp, smoothing, Heun's second pass, fresh
noise, correction. Songs that take plain Euler steps, corrected or not, take them with the whole pack at once,
by `coefficients` and `advance_pack`, which is the same arithmetic; a song always goes one of the two ways, so
that its neighbours decide nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tasks.engines.acestep.denoising.guidance import Guidance
from tasks.engines.acestep.plan.editing import Edit
from tasks.engines.acestep.plan.plan import Plan
from tasks.engines.acestep.plan.sampling import Dcw
from tasks.engines.acestep.plan.schedule import Step

TINY = 1e-10


class Coefficients(NamedTuple):
    """What one plain step does, per document of a pack: x + delta * v + correction(until * v)."""

    delta: float
    until: float
    low: float
    high: float
    even: float


STILL = Coefficients(0.0, 0.0, 0.0, 0.0, 0.0)


def coefficients(plan: Plan, step: Step) -> Coefficients:
    """A plain song's numbers for this step."""
    strengths = plan.sampling.dcw.strengths(step.start) if plan.sampling.dcw is not None else (0.0, 0.0, 0.0)
    return Coefficients(step.delta, step.until, *strengths)


def advance_pack(x: Tensor, velocity: Tensor, numbers: Tensor) -> Tensor:
    """A step of all plain songs: x, velocity [rows, channels]; numbers [rows, 5] -> float32 [rows, channels].

    A step's end minus its clean estimate is `until` times the velocity. Songs begin at even rows; the row
    that fills an odd song up has zeros for numbers, which is the padding that the wavelet wants.
    """
    delta, until, low, high, even = numbers[:, :, None].unbind(1)
    v = velocity.float()
    return x.float() + delta * v + _bands(until * v, low, high) + even * until * v


def _bands(apart: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """Haar's low band of [rows, channels] times `low` plus its high band times `high`; rows in pairs."""
    pairs = apart.view(-1, 2, apart.shape[-1])
    mean = pairs.mean(1, keepdim=True).expand_as(pairs)
    rest = pairs - mean
    return low * mean.reshape(apart.shape) + high * rest.reshape(apart.shape)


def correct(x: Tensor, estimate: Tensor, dcw: Dcw, time: float) -> Tensor:
    """Push a step's end away from its clean estimate, band by band: two of [latents, channels] -> one."""
    low, high, even = dcw.strengths(time)
    apart = x - estimate
    odd = apart.shape[0] % 2
    padded = torch.nn.functional.pad(apart, (0, 0, 0, odd))
    return x + _bands(padded, low, high)[: apart.shape[0]] + even * apart


class Sampler:
    """What one song remembers from step to step.

    Attributes:
        noise: What it started from, for songs that are put back to their source.
        clean: Its source's latents.
    """

    def __init__(self, plan: Plan, *, turbo: bool) -> None:
        self.plan, self._turbo = plan, turbo
        guidance = plan.sampling.guidance
        self.guidance = None if guidance is None else Guidance(guidance)
        self.noise: Tensor | None = None
        self.clean: Tensor | None = None
        self._before: Tensor | None = None  # the last step's velocity
        self._start: tuple[Tensor, Tensor] | None = None  # latents and velocity that Heun's step began with

    @property
    def plain(self) -> bool:
        """Whether its steps are taken with the whole pack's."""
        return self.plan.sampling.plain

    def start(self, noise: Tensor, retake: Tensor | None, clean: Tensor | None) -> Tensor:
        """What the song starts from, [latents, channels]."""
        if retake is not None and self.plan.retake is not None:
            angle = torch.tensor(self.plan.retake[1] * torch.pi / 2)
            noise = (angle.cos() * noise + angle.sin() * retake).to(noise.dtype)
        level = self.plan.sampling.from_source
        if self.plan.edit is not None:
            self.noise, self.clean = noise, clean
        if level is None or clean is None:
            return noise
        return level * noise + (1 - level) * clean

    def advance(self, x: Tensor, velocity: Tensor, step: Step) -> Tensor:
        """One pass's step of a song by itself: [latents, channels] -> the same, in float32."""
        sampling = self.plan.sampling
        x, v = x.float(), velocity.float()
        if sampling.clamp:
            v = v * (sampling.clamp * (x.norm() + TINY) / (v.norm() + TINY)).clamp(max=1.0)
        last = self._start[1] if step.kind == "correct" and self._start is not None else self._before
        if sampling.smooth and last is not None:
            v = (1 - sampling.smooth) * v + sampling.smooth * last
        if step.kind == "predict":
            self._start = x.clone(), v.clone()  # these are the pack's rows, which go on
            return x + step.delta * v
        begin, first = (x, v) if self._start is None else self._start
        if step.kind == "correct":
            v = 0.5 * (first + v)
            self._start = None
        estimate = begin - first * step.start
        self._before = v.clone() if sampling.smooth else None
        if sampling.fresh_noise:
            end = step.until * self._fresh(begin, step) + (1 - step.until) * estimate
        else:
            end = begin + step.delta * v
        return end if sampling.dcw is None else correct(end, estimate, sampling.dcw, step.start)

    def _fresh(self, like: Tensor, step: Step) -> Tensor:
        """Noise of one step; drawn on the CPU from the song's seed, where upstream leaves it to chance."""
        generator = torch.Generator("cpu").manual_seed((self.plan.seed << 8) + step.number + 1)
        return torch.randn(like.shape, generator=generator).to(like.device, like.dtype)

    def hold(self, x: Tensor, step: Step) -> Tensor | None:
        """The latents with everything outside the edit put back to its source; None where nothing is."""
        edit = self.plan.edit
        if edit is None or self.noise is None or self.clean is None or not step.ends:
            return None
        count = self.plan.sampling.count
        if step.number >= round(edit.injection * count) or (self._turbo and step.number == count - 1):
            return None
        outside = step.until * self.noise.float() + (1 - step.until) * self.clean.float()
        return torch.where(edit.inside(x.shape[0]).to(x.device), x.float(), outside).to(x.dtype)

    def finish(self, x: Tensor) -> Tensor:
        """The song's latents as they are decoded: edges blended into the source, rescaled."""
        sampling, edit = self.plan.sampling, self.plan.edit
        if edit is not None and edit.blend and self.clean is not None and edit.stop - edit.start < x.shape[0]:
            share = soft_window(edit, x.shape[0]).to(x.device)
            x = (share * x.float() + (1 - share) * self.clean.float()).to(x.dtype)
        if sampling.rescale != 1.0 or sampling.shift:
            x = x * sampling.rescale + sampling.shift
        return x


def soft_window(edit: Edit, latents: int) -> Tensor:
    """1 in the window, falling to 0 over `blend` latents outside it; [latents, 1]."""
    return ramps(latents, edit.start, edit.stop, edit.blend)[:, None]


def ramps(length: int, start: int, stop: int, width: int) -> Tensor:
    """1 between start and stop, with ramps of `width` outside, as far as there is room: [length]."""
    share = torch.zeros(length)
    share[start:stop] = 1.0
    before, after = min(width, start), min(width, length - stop)
    share[start - before : start] = torch.linspace(0.0, 1.0, before + 2)[1:-1]
    share[stop : stop + after] = torch.linspace(1.0, 0.0, after + 2)[1:-1]
    return share
