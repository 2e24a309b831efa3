"""The parts of one ACE-Step 1.5 checkpoint, loaded by diffusers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AceStepPipeline
from torch import Tensor, nn

from tasks.engines.acestep.options import Options

FP8_CAPABILITY = (8, 9)


@dataclass(frozen=True)
class Model:
    """One checkpoint on one device.

    `pipe` is diffusers' own pipeline: its methods word the prompts and prepare source and reference audio, so
    that we ask the network exactly what diffusers would.
    """

    pipe: Any
    device: torch.device
    dtype: torch.dtype
    fp8: bool

    @property
    def turbo(self) -> bool:
        """Whether guidance is distilled into the weights, so that none must be added."""
        return bool(self.pipe.is_turbo)

    @property
    def sample_rate(self) -> int:
        """Frames a second of the audio."""
        return int(self.pipe.sample_rate)

    @property
    def hop(self) -> int:
        """Frames of audio that one latent stands for."""
        return round(self.pipe.sample_rate / self.pipe.latents_per_second)

    @property
    def null_condition(self) -> Tensor:
        """The learned condition that says nothing, [1, d]: each row of diffusers' null sequence."""
        empty: Tensor = self.pipe.condition_encoder.null_condition_emb.detach()[0]
        return empty.to(self.device, self.dtype)

    def forget_layers(self) -> None:
        """Free the transformer's own layers, once their fused copies are made."""
        self.pipe.transformer.layers = nn.ModuleList()


def choose_device(name: str | None) -> torch.device:
    """The device asked for; without a name the first GPU, else the CPU."""
    if name is not None and name.startswith("cuda:") and torch.cuda.device_count() == 1:
        return torch.device("cuda:0")  # a worker that is pinned to its GPU sees it as the first
    if name is not None:
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def choose_numbers(device: torch.device, precision: str) -> tuple[torch.dtype, bool]:
    """The numbers to compute with, and whether the transformer's products are in float8."""
    if precision == "auto":
        precision = "bfloat16" if device.type == "cuda" else "float32"
    if precision == "fp8" and (
        device.type != "cuda" or torch.cuda.get_device_capability(device) < FP8_CAPABILITY
    ):
        raise ValueError("fp8 needs an NVIDIA GPU of compute capability 8.9 or later; use precision bfloat16")
    return torch.float32 if precision == "float32" else torch.bfloat16, precision == "fp8"


def load(options: Options) -> Model:
    """Load a folder in diffusers' layout, or a hub id, onto its device."""
    device = choose_device(options.device)
    dtype, fp8 = choose_numbers(device, options.precision)
    pipe = AceStepPipeline.from_pretrained(options.model, dtype=dtype)
    return adopt(pipe.to(device), fp8=fp8)


def adopt(pipe: Any, *, fp8: bool = False) -> Model:
    """Take a pipeline that is already built, on the device and in the numbers it has."""
    pipe.set_progress_bar_config(disable=True)
    for part in pipe.components.values():
        if isinstance(part, nn.Module):
            part.eval().requires_grad_(requires_grad=False)
    transformer = pipe.transformer
    return Model(pipe, transformer.device, transformer.dtype, fp8)
