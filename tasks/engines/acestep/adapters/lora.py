"""LoRA adapters, merged into a second set of weights: a song with an adapter runs as fast as one without."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from diffusers import AceStepPipeline, AceStepTransformer1DModel

from tasks.engines.acestep.checkpoint.model import Model
from tasks.engines.acestep.plan.uploads import refuse

KEPT = 2  # a merged set is as large as the network: 4 GB in bfloat16


def find(folder: Path, name: str) -> Path:
    """The adapter's file: NAME.safetensors, or the one file in the folder NAME.

    Raises:
        JobError: There is no such adapter.

    """
    if (single := folder / f"{name}.safetensors").is_file():
        return single
    files = sorted((folder / name).glob("*.safetensors"))
    if len(files) != 1:
        raise refuse(f"there is no adapter named {name} here; leave lora out or choose another")
    return files[0]


def scale_of(file: Path) -> float:
    """What a PEFT adapter is multiplied by: alpha over rank, which its weights do not carry.

    Raises:
        JobError: Its adapter_config.json does not say.

    """
    config = file.parent / "adapter_config.json"
    if not config.is_file():
        return 1.0
    try:
        known = json.loads(config.read_bytes())
        rank, alpha = known.get("r", 1), known.get("lora_alpha", known.get("r", 1))
        scale = float(alpha) / (float(rank) ** 0.5 if known.get("use_rslora") else float(rank))
        if isinstance(rank, str) or isinstance(alpha, str) or not (rank > 0 and math.isfinite(scale)):
            raise ValueError("r and lora_alpha have to be numbers, r above 0")
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise refuse(f"the adapter {file.parent.name} has no usable adapter_config.json: {error}") from error
    return scale


def merged_transformer(model: Model, checkpoint: str, file: Path) -> Any:
    """The checkpoint's transformer with the adapter merged into its weights, on the model's device."""
    transformer = AceStepTransformer1DModel.from_pretrained(
        checkpoint, subfolder="transformer", dtype=model.dtype
    )
    weights, metadata = AceStepPipeline.lora_state_dict(str(file), return_lora_metadata=True)
    AceStepPipeline.load_lora_into_transformer(
        weights, transformer=transformer, adapter_name="song", metadata=metadata
    )
    transformer.fuse_lora(lora_scale=scale_of(file))
    transformer.unload_lora()
    return transformer.to(model.device).eval().requires_grad_(requires_grad=False)
