"""Guidance of base and sft checkpoints: adaptive projected guidance (Sadat et al. 2024, arXiv:2410.02416).

The arithmetic is diffusers' own, with the constants of its ACE-Step pipeline; here is only who gets it.
"""

from __future__ import annotations

from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance
from torch import Tensor

MOMENTUM, THRESHOLD = -0.75, 2.5


class Guidance:
    """One song's guidance; it remembers earlier steps, so each song has its own."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self._momentum = MomentumBuffer(momentum=MOMENTUM)

    def __call__(self, conditional: Tensor, unconditional: Tensor) -> Tensor:
        """The guided velocity: two of [latents, channels] -> one."""
        guided: Tensor = normalized_guidance(
            pred_cond=conditional[None],
            pred_uncond=unconditional[None],
            guidance_scale=self.scale - 1.0,
            momentum_buffer=self._momentum,
            eta=0.0,
            norm_threshold=THRESHOLD,
            use_original_formulation=True,
            norm_dim=(1,),
        )
        return guided[0]
