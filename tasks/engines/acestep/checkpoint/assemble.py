"""Upstream's and ComfyUI's checkpoints as diffusers' pipeline: its modules, filled from the mapped files.

Modules are made without memory and get their tensors one by one, each brought to its device and numbers as it
is read, so that no copy of the checkpoint is made on disk or in memory.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import torch
from diffusers import (
    AceStepPipeline,
    AceStepTransformer1DModel,
    AutoencoderOobleck,
    FlowMatchEulerDiscreteScheduler,
)
from diffusers.pipelines.ace_step.modeling_ace_step import (
    AceStepAudioTokenDetokenizer,
    AceStepAudioTokenizer,
    AceStepConditionEncoder,
)
from torch import Tensor, nn
from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

from tasks.engines.acestep.checkpoint.names import sort_by_part, vae_to_diffusers
from tasks.engines.acestep.checkpoint.shapes import dit_config, text_config, vae_config
from tasks.engines.acestep.checkpoint.tensors import MappedTensors, read_silence
from tasks.engines.models import Checkpoint, Weights

PARTS = {
    "transformer": AceStepTransformer1DModel,
    "condition_encoder": AceStepConditionEncoder,
    "audio_tokenizer": AceStepAudioTokenizer,
    "audio_token_detokenizer": AceStepAudioTokenDetokenizer,
}
ENCODER_FIELDS = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
SILENCE_LATENTS, SILENCE_HEARD = 15_000, 128  # 600 s; what is encoded to learn what silence is


def assemble(found: Checkpoint, device: torch.device, dtype: torch.dtype, *, turbo: bool) -> AceStepPipeline:
    """Build the pipeline on its device.

    Raises:
        ValueError: Tensors are missing, or are not those of ACE-Step 1.5.
    """
    if found.vae is None or found.text is None or found.tokenizer is None:
        raise ValueError(f"{found.name} has no VAE or text encoder")
    tensors = MappedTensors(found.dit)
    config = dit_config(tensors, found.config()) | {"is_turbo": turbo}
    parts = _dit_parts(tensors, config, device, dtype)
    vae = _vae(found.vae, device, dtype)
    silence = read_silence(found.silence) if found.silence is not None else make_silence(vae)
    parts["condition_encoder"].silence_latent = silence.to(device, dtype)
    return AceStepPipeline(
        vae=vae,
        text_encoder=_text(found.text, device, dtype),
        tokenizer=AutoTokenizer.from_pretrained(found.tokenizer, local_files_only=True),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
        **({"audio_tokenizer": None, "audio_token_detokenizer": None} | parts),
    )


def assemble_transformer(
    found: Checkpoint, device: torch.device, dtype: torch.dtype, *, turbo: bool
) -> nn.Module:
    """The diffusion transformer alone."""
    tensors = MappedTensors(found.dit)
    config = dit_config(tensors, found.config()) | {"is_turbo": turbo}
    part: nn.Module = _dit_parts(tensors, config, device, dtype, only="transformer")["transformer"]
    return part.eval().requires_grad_(requires_grad=False)


def _dit_parts(
    tensors: MappedTensors,
    config: Mapping[str, Any],
    device: torch.device,
    dtype: torch.dtype,
    only: str | None = None,
) -> dict[str, Any]:
    parts = {}
    for part, names in sort_by_part(tensors).items():
        if only not in {None, part}:
            continue
        if not names and part.startswith("audio_"):
            continue  # a checkpoint cut down to what text to music needs
        module = hollow(PARTS[part], _config_of(part, config))
        skipped = {"silence_latent"} if part == "condition_encoder" else set()
        parts[part] = fill(module, tensors, names, device, dtype, skipped)
    return parts


def _config_of(part: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of one of diffusers' modules; all but the transformer have the encoders' dimensions."""
    wanted = inspect.signature(PARTS[part].__init__).parameters
    merged = dict(config)
    if part != "transformer":
        merged |= {
            name: value for name in ENCODER_FIELDS if (value := config.get(f"encoder_{name}")) is not None
        }
    return {name: value for name, value in merged.items() if name in wanted}


def hollow(kind: type[nn.Module], config: Mapping[str, Any]) -> nn.Module:
    """A module without memory: every parameter is on the device `meta`."""
    with torch.device("meta"):
        return kind(**config)


def fill(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    names: Mapping[str, str],
    device: torch.device,
    dtype: torch.dtype,
    skipped: set[str],
) -> nn.Module:
    """Give a hollow module its tensors; `names` leads from the module's names to the file's.

    Raises:
        ValueError: Names are missing or left over, or a shape is not the module's.
    """
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in names and name not in skipped]
    extra = [name for name in names if name not in wanted]
    if missing or extra:
        kind = type(module).__name__
        raise ValueError(f"the checkpoint does not fit {kind}: missing {missing[:3]}, unknown {extra[:3]}")
    state = {}
    for name, source in names.items():
        tensor = tensors[source]
        if name.endswith((".alpha", ".beta")):  # Stable Audio keeps them without the axes of a song
            tensor = tensor.reshape(wanted[name].shape)
        state[name] = tensor.to(device, dtype)
    module.load_state_dict(state, strict=False, assign=True)
    _buffers(module, device)
    return module


def _buffers(module: nn.Module, device: torch.device) -> None:
    """Make the buffers that no checkpoint holds: the audio tokens' levels."""
    for part in module.modules():
        if hasattr(part, "_levels") and part._levels.is_meta:
            made = type(part)(dim=1, levels=part.levels, num_quantizers=part.num_quantizers)
            for name in ("_levels", "_basis", "scales"):
                part.register_buffer(name, getattr(made, name).to(device), persistent=False)


def _text(weights: Weights, device: torch.device, dtype: torch.dtype) -> Any:
    if weights.config is not None:
        # transformers' own way: mapped, and it knows what each of its versions writes into config.json
        return Qwen3Model.from_pretrained(
            weights.config.parent, dtype=dtype, use_safetensors=True, local_files_only=True
        ).to(device)
    tensors = MappedTensors(weights)
    state = {name: tensors[name].to(dtype) for name in tensors}
    config = Qwen3Config(**text_config(tensors))
    return Qwen3Model.from_pretrained(None, config=config, state_dict=state, dtype=dtype).to(device)


def _vae(weights: Weights, device: torch.device, dtype: torch.dtype) -> Any:
    tensors = MappedTensors(weights)
    names = vae_to_diffusers(tensors)
    if weights.config is not None:
        said = json.loads(weights.config.read_text())
        known = inspect.signature(AutoencoderOobleck.__init__).parameters
        config = {name: value for name, value in said.items() if name in known}
    else:
        config = vae_config(tensors, names)
    return fill(hollow(AutoencoderOobleck, config), tensors, names, device, dtype, set())


@torch.inference_mode()
def make_silence(vae: Any) -> Tensor:
    """The latents of silence, [1, n, channels], where no file holds them: what the VAE hears in zeros.

    The mean of its posterior; inside a long silence all latents are the same, so one stands for all.
    """
    device, dtype = vae.device, vae.dtype
    audio = torch.zeros(
        1, int(vae.config.audio_channels), SILENCE_HEARD * vae.hop_length, device=device, dtype=dtype
    )
    heard = vae.encode(audio).latent_dist.mean.transpose(1, 2).float()
    middle = heard.shape[1] // 2
    latents = heard[:, middle : middle + 1].repeat(1, SILENCE_LATENTS, 1)
    latents[:, :middle] = heard[:, :middle]
    latents[:, -middle:] = heard[:, -middle:]
    return latents
