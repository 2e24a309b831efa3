"""Guidance of base and sft checkpoints, as upstream does it, for one song.

- adaptive projected guidance (Sadat et al. 2024, arXiv:2410.02416), whose arithmetic is diffusers' own
- angle-based dynamic guidance: the song's clean estimate is turned away from the unconditional one
"""

from __future__ import annotations

import torch
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance
from torch import Tensor

from tasks.engines.acestep.plan.sampling import GuidanceSettings
from tasks.engines.acestep.plan.schedule import Step

MOMENTUM, THRESHOLD = -0.75, 2.5
ANGLE = 3.14 / 6  # upstream's own, a bit less than a twelfth of a turn
NEARLY = 1e-6  # cosines are held so far from 1, or their angle would be no number


class Guidance:
    """One song's guidance; it remembers earlier steps, so each song has its own."""

    def __init__(self, settings: GuidanceSettings) -> None:
        self.settings = settings
        self._momentum = MomentumBuffer(momentum=MOMENTUM)

    def __call__(self, x: Tensor, conditional: Tensor, unconditional: Tensor, step: Step) -> Tensor:
        """The guided velocity at a pass: three of [latents, channels] -> one."""
        if not self.settings.acts(step.time):
            return conditional
        if self.settings.mode == "adg" and step.time > 0:
            return turn_away(x, conditional, unconditional, step.time, self.settings.scale)
        if step.kind == "correct":  # the momentum moves once a step
            return unconditional + self.settings.scale * (conditional - unconditional)
        return self._project(conditional, unconditional)

    def _project(self, conditional: Tensor, unconditional: Tensor) -> Tensor:
        guided: Tensor = normalized_guidance(
            pred_cond=conditional[None],
            pred_uncond=unconditional[None],
            guidance_scale=self.settings.scale - 1.0,
            momentum_buffer=self._momentum,
            eta=0.0,
            norm_threshold=THRESHOLD,
            use_original_formulation=True,
            norm_dim=(1,),
        )
        return guided[0]


def turn_away(x: Tensor, conditional: Tensor, unconditional: Tensor, time: float, scale: float) -> Tensor:
    """Angle-based dynamic guidance: the velocity whose clean estimate is turned by `scale - 1` angles."""
    weight = max(scale - 1.0, 0.0) + 1e-3
    clean, other = (x - time * velocity for velocity in (conditional, unconditional))
    a, b = clean.double(), other.double()
    cosine = (a / a.norm(dim=-1, keepdim=True) * (b / b.norm(dim=-1, keepdim=True))).sum(-1, keepdim=True)
    angle = cosine.clamp(-1.0 + NEARLY, 1.0 - NEARLY).acos()
    turned = (weight * angle).clamp(-ANGLE, ANGLE)
    apart, wide = (clean - other).float(), other.float()
    along = (apart * wide).sum(-1, keepdim=True) / (wide.square().sum(-1, keepdim=True) + 1e-8)
    across = apart - along * wide
    sine = angle.sin()
    share = torch.where(sine > 1e-3, turned.sin() / sine, weight)
    estimate = turned.cos() * clean + across * share
    return ((x - estimate) / time).to(x.dtype)
