"""One ACE-Step 1.5 checkpoint on its device, whatever layout it came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AceStepPipeline, AceStepTransformer1DModel
from torch import Tensor, nn

from tasks.engines.acestep.checkpoint.assemble import assemble, assemble_transformer
from tasks.engines.acestep.checkpoint.options import Options
from tasks.engines.acestep.checkpoint.shapes import dit_config
from tasks.engines.acestep.checkpoint.tensors import MappedTensors
from tasks.engines.models import Checkpoint, Variant, find, recognise

FP8_CAPABILITY = (8, 9)


@dataclass(frozen=True)
class DeviceModel:
    """One checkpoint on one device.

    `pipe` is diffusers' own pipeline: its methods word the prompts and prepare source and reference audio, so
    that we ask the network exactly what diffusers would. `shapes` are those of the transformer's matrices,
    which adapters may change.
    """

    pipe: Any
    device: torch.device
    dtype: torch.dtype
    fp8: bool
    variant: Variant
    shapes: Mapping[str, tuple[int, ...]]
    checkpoint: Checkpoint | None = None

    @property
    def turbo(self) -> bool:
        """Whether guidance is distilled into the weights, so that none must be added."""
        return self.variant.turbo

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


def load(options: Options) -> DeviceModel:
    """Load a checkpoint of any layout onto its device.

    Raises:
        ModelMissing: There is none, or it is incomplete.
        ValueError: It is not ACE-Step 1.5.
    """
    device = choose_device(options.device)
    dtype, fp8 = choose_numbers(device, options.precision)
    found = find(options.model)
    config = found.config() or dit_config(MappedTensors(found.dit), {})
    variant = recognise(found.name, config)
    pipe = read_pipe(found, device, dtype, turbo=variant.turbo)
    return adopt(pipe, fp8=fp8, variant=variant, checkpoint=found)


def read_pipe(found: Checkpoint, device: torch.device, dtype: torch.dtype, *, turbo: bool) -> Any:
    """The checkpoint's modules on the device."""
    if found.layout == "diffusers":
        pipe = AceStepPipeline.from_pretrained(
            found.folder, dtype=dtype, use_safetensors=True, local_files_only=True
        )
        return pipe.to(device)
    return assemble(found, device, dtype, turbo=turbo)


def adopt(
    pipe: Any, *, fp8: bool = False, variant: Variant | None = None, checkpoint: Checkpoint | None = None
) -> DeviceModel:
    """Take a pipeline that is already built, on the device and in the numbers it has."""
    pipe.set_progress_bar_config(disable=True)
    for part in pipe.components.values():
        if isinstance(part, nn.Module):
            part.eval().requires_grad_(requires_grad=False)
    transformer = pipe.transformer
    if variant is None:
        variant = recognise("", dict(transformer.config))
    if variant.size == "XL":
        _lead_with_token(pipe.condition_encoder.timbre_encoder)
    return DeviceModel(
        pipe, transformer.device, transformer.dtype, fp8, variant, _matrices(transformer), checkpoint
    )


def read_transformer(model: DeviceModel) -> Any:
    """The checkpoint's transformer once more, on the model's device.

    Raises:
        ValueError: The model was not read from a checkpoint.
    """
    found = model.checkpoint
    if found is None:
        raise ValueError("this model has no checkpoint to read its weights from again")
    if found.layout == "diffusers":
        folder = found.folder / "transformer"
        read = AceStepTransformer1DModel.from_pretrained(folder, dtype=model.dtype, use_safetensors=True)
        return read.to(model.device).eval().requires_grad_(requires_grad=False)
    return assemble_transformer(found, model.device, model.dtype, turbo=model.turbo)


def _matrices(transformer: nn.Module) -> dict[str, tuple[int, ...]]:
    parts = transformer.named_modules()
    return {name: tuple(part.weight.shape) for name, part in parts if isinstance(part, nn.Linear)}


def _lead_with_token(timbre_encoder: Any) -> None:
    """Let the timbre encoder's own token come first, whose place is read out; XL was trained so, 2B was not.

    diffusers leaves it out of both.
    """
    token = timbre_encoder.special_token

    def lead(_module: nn.Module, _given: Any, rows: Tensor) -> Tensor:
        return torch.cat([token.to(rows.dtype).expand(rows.shape[0], 1, -1), rows], dim=1)

    timbre_encoder.embed_tokens.register_forward_hook(lead)
