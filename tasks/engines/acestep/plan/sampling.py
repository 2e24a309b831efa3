"""How noise becomes a song: schedule, sampler, guidance and corrections, every default filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from tasks.engines.acestep.plan.schedule import (
    Step,
    own_times,
    start_at,
    steps_of,
    times_of,
    turbo_times_of,
)
from tasks.engines.acestep.plan.uploads import refuse
from tasks.engines.models import Variant
from tasks.jobs import JobRequest

DcwMode = Literal["low", "high", "double", "pix"]
DCW_MODE: DcwMode = "double"  # upstream's defaults
DCW_LOW, DCW_HIGH = 0.05, 0.02


@dataclass(frozen=True)
class GuidanceSettings:
    """Guidance of one song: its scale, its way, and the times (ends included) between which it acts."""

    scale: float
    mode: Literal["apg", "adg"] = "apg"
    start: float = 0.0
    end: float = 1.0

    def acts(self, time: float) -> bool:
        """Whether it acts at this time."""
        return self.start <= time <= self.end


@dataclass(frozen=True)
class Dcw:
    """Correction of each step in the wavelet domain: how strongly, on which bands."""

    mode: DcwMode
    low: float = DCW_LOW
    high: float = DCW_HIGH

    def strengths(self, time: float) -> tuple[float, float, float]:
        """What is added at a step that starts at `time`: of the low band, the high band, and of all alike."""
        if self.mode == "pix":
            return 0.0, 0.0, self.low
        low = time * self.low if self.mode in {"low", "double"} else 0.0
        high = {"high": self.low, "double": self.high}.get(self.mode, 0.0) * (1.0 - time)
        return low, high, 0.0


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """One song's way from noise to latents.

    Attributes:
        steps: Passes of the network in their order.
        count: Steps that they make up; with Heun's method a step takes two.
        guidance: None where the song takes one pass a step.
        dcw: None where no step is corrected.
        fresh_noise: Whether each step draws noise anew (sde).
        clamp: Largest norm of a velocity by that of the song; 0 for any.
        smooth: Share of the velocity before.
        rescale, shift: What the finished latents are multiplied by, and what is added.
        from_source: The noise level at which a cover starts from its source; None starts from noise.
    """

    steps: tuple[Step, ...]
    count: int
    guidance: GuidanceSettings | None = None
    dcw: Dcw | None = None
    fresh_noise: bool = False
    clamp: float = 0.0
    smooth: float = 0.0
    rescale: float = 1.0
    shift: float = 0.0
    from_source: float | None = None

    @property
    def plain(self) -> bool:
        """Whether each pass is one Euler step that is taken for the whole pack at once."""
        return not self.clamp and not self.smooth and not self.fresh_noise and self.steps[0].kind == "euler"


def plan_sampling(ask: JobRequest, variant: Variant, dtype: torch.dtype) -> Sampling:
    """Decide how to sample.

    Raises:
        JobError: The checkpoint cannot do what is asked.
    """
    times = _times(ask, variant, dtype)
    level = None
    if ask.cover_noise_strength:
        times = start_at(times, 1.0 - ask.cover_noise_strength)
        level = times[0]
    return Sampling(
        steps=steps_of(times, heun=ask.sampler == "heun", turbo=variant.turbo),
        count=len(times) - 1,
        guidance=_guidance(ask, variant),
        dcw=_dcw(ask, variant),
        fresh_noise=ask.infer_method == "sde",
        clamp=ask.velocity_norm_threshold or 0.0,
        smooth=ask.velocity_ema_factor or 0.0,
        rescale=1.0 if ask.latent_rescale is None else ask.latent_rescale,
        shift=ask.latent_shift or 0.0,
        from_source=level,
    )


def _times(ask: JobRequest, variant: Variant, dtype: torch.dtype) -> tuple[float, ...]:
    if ask.timesteps is not None:
        try:
            times = own_times(ask.timesteps, dtype, turbo=variant.turbo)
        except ValueError as error:
            raise refuse(str(error)) from error
        if len(times) - 1 > variant.most_steps:
            raise refuse(f"timesteps has more than the {variant.most_steps} steps that this checkpoint takes")
        return times
    count, shift = ask.steps or variant.steps, ask.shift or variant.shift
    return (turbo_times_of if variant.turbo else times_of)(count, shift, dtype)


def _guidance(ask: JobRequest, variant: Variant) -> GuidanceSettings | None:
    if variant.guidance is None:
        return None
    scale = variant.guidance if ask.guidance_scale is None else ask.guidance_scale
    if scale <= 1.0:
        return None
    return GuidanceSettings(
        scale,
        ask.guidance_mode or "apg",
        ask.cfg_interval_start or 0.0,
        1.0 if ask.cfg_interval_end is None else ask.cfg_interval_end,
    )


def _dcw(ask: JobRequest, variant: Variant) -> Dcw | None:
    """Upstream's own form corrects turbo and leaves base and sft alone; whoever names a strength wants it."""
    named = ask.dcw is not None or ask.dcw_scaler is not None or ask.dcw_high_scaler is not None
    if ask.dcw == "off" or not (named or variant.dcw):
        return None
    low = DCW_LOW if ask.dcw_scaler is None else ask.dcw_scaler
    high = DCW_HIGH if ask.dcw_high_scaler is None else ask.dcw_high_scaler
    found = Dcw(ask.dcw or DCW_MODE, low, high)
    return found if any(found.strengths(0.5)) else None
