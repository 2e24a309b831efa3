"""Adapters as people have them: LoRA, DoRA and LoKr, as PEFT, ComfyUI, LyCORIS and diffusers name them.

Read are a folder NAME with one safetensors file (and PEFT's adapter_config.json beside it), or the file
NAME.safetensors. Whatever of a file does not fit the network is refused by its name, never left out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tasks.engines.acestep.checkpoint.names import to_diffusers
from tasks.engines.acestep.plan.uploads import refuse

PREFIXES: Final = (
    "base_model.model.", "diffusion_model.", "model.diffusion_model.", "transformer.", "decoder.",
)  # fmt: skip
LYCORIS: Final = "lycoris_"
ALIASES: Final = {
    "lora_A.weight": "down",
    "lora_A.default.weight": "down",
    "lora_down.weight": "down",
    "lora_B.weight": "up",
    "lora_B.default.weight": "up",
    "lora_up.weight": "up",
    "lora_magnitude_vector": "magnitude",
    "lora_magnitude_vector.weight": "magnitude",
    "lora_magnitude_vector.default.weight": "magnitude",
    "dora_scale": "magnitude",
    "alpha": "alpha",
    **{name: name for name in ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b")},
}
_LEAVES = "|".join(re.escape(name) for name in sorted(ALIASES, key=len, reverse=True))
_LEAF = re.compile(f"^(.+?)[.]({_LEAVES})$")
DECOMPOSED_EPSILON: Final = 2.0**-7  # LyCORIS adds bfloat16's to a norm


@dataclass
class Change:
    """What an adapter does to one matrix [out, in].

    Attributes:
        parts: Tensors by their role: down [rank, in] and up [out, rank], or LoKr's factors.
        factor: What their product is multiplied by.
        magnitude: DoRA's length of each row, or of each column, of the changed matrix.
    """

    parts: dict[str, Tensor] = field(default_factory=dict)
    factor: float = 1.0
    magnitude: Tensor | None = None

    @property
    def kronecker(self) -> bool:
        """Whether it is LoKr."""
        return any(name.startswith("lokr") for name in self.parts)

    def delta(self) -> Tensor:
        """What is added to the matrix at full strength, float32 [out, in]."""
        if not self.kronecker:
            return self.factor * (self.parts["up"].float() @ self.parts["down"].float())
        first, second = (self._whole(name) for name in ("lokr_w1", "lokr_w2"))
        return self.factor * torch.kron(first, second)

    def _whole(self, name: str) -> Tensor:
        if name in self.parts:
            return self.parts[name].float()
        return self.parts[f"{name}_a"].float() @ self.parts[f"{name}_b"].float()

    def apply(self, weight: Tensor, scale: float) -> Tensor:
        """The changed matrix, float32 [out, in]."""
        changed = weight.float() + scale * self.delta()
        if self.magnitude is None:
            return changed
        length = self.magnitude.float()
        if not self.kronecker:  # PEFT's: the rows of the changed matrix get the lengths that were learnt
            return changed * (length.view(-1, 1) / changed.norm(dim=1, keepdim=True))
        length = length.reshape(length.shape[0], -1) if length.ndim > 1 else length.view(-1, 1)
        over = 1 if length.shape[0] == weight.shape[0] else 0
        ratio = length / (changed.norm(dim=over, keepdim=True) + DECOMPOSED_EPSILON)
        return changed * (scale * (ratio - 1) + 1)


def find(folder: Path, name: str) -> Path:
    """The adapter's file: NAME.safetensors, or the one file in the folder NAME.

    Raises:
        JobError: There is no such adapter.
    """
    if (single := folder / f"{name}.safetensors").is_file():
        return single
    for place in (folder / name, folder / name / "adapter"):  # upstream's trainer keeps PEFT's folder inside
        files = sorted(place.glob("*.safetensors"))
        if len(files) == 1:
            return files[0]
    raise refuse(f"there is no adapter named {name} here; leave lora out or choose another")


def read(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Change]:
    """An adapter's changes by the network's own names of its matrices.

    Args:
        file: The adapter.
        shapes: Name -> shape of every matrix of the network that can be changed.

    Raises:
        JobError: It is no adapter, or something in it does not fit the network; which is said.
    """
    try:
        with safe_open(str(file), framework="pt", device="cpu") as source:
            tensors = {name: source.get_tensor(name) for name in source.keys()}  # noqa: SIM118
            metadata = source.metadata() or {}
    except SafetensorError as error:
        raise refuse(f"the adapter {_named(file)} is no safetensors file; copy it again") from error
    config = peft_config(file)
    changes = _sort(file, tensors, shapes)
    for name, change in changes.items():
        change.factor = _factor(file, name, change, config, metadata)
        change.parts.pop("alpha", None)
        change.magnitude = change.parts.pop("magnitude", None)
        _check_shape(file, name, change, shapes[name])
    return changes


def _named(file: Path) -> str:
    return file.stem if file.parent.name in {"lora", "loras"} else file.parent.name


def peft_config(file: Path) -> dict[str, Any]:
    """PEFT's own description beside the weights; what of it is heard and not done here is refused."""
    beside = file.parent / "adapter_config.json"
    if not beside.is_file():
        return {}
    try:
        config = json.loads(beside.read_bytes())
        if not isinstance(config, dict):
            raise TypeError("it holds no object")
        rank, alpha = config.get("r", 1), config.get("lora_alpha", 1)
        if isinstance(rank, str) or isinstance(alpha, str) or not (rank > 0 and math.isfinite(alpha / rank)):
            raise ValueError("r and lora_alpha have to be numbers, r above 0")
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise refuse(f"the adapter {_named(file)} has no usable adapter_config.json: {error}") from error
    for name in ("rank_pattern", "alpha_pattern", "modules_to_save"):
        if config.get(name):
            raise refuse(f"the adapter {_named(file)} has {name}, which is not done here")
    if config.get("bias", "none") != "none":
        raise refuse(f"the adapter {_named(file)} was trained with biases, which this network has not")
    return config


def _sort(file: Path, tensors: Mapping[str, Tensor], shapes: Iterable[str]) -> dict[str, Change]:
    flat = {name.replace(".", "_"): name for name in _all_names(shapes)}
    known = set(shapes)
    changes: dict[str, Change] = {}
    for name, tensor in tensors.items():
        leaf = _LEAF.match(name)
        if leaf is None:
            raise refuse(f"the adapter {_named(file)} holds {name}, which is no part of a LoRA, DoRA or LoKr")
        target = _target(leaf[1], known, flat)
        if target is None:
            raise refuse(f"the adapter {_named(file)} changes {leaf[1]}, which this network does not have")
        changes.setdefault(target, Change()).parts[ALIASES[leaf[2]]] = tensor
    if not changes:
        raise refuse(f"the adapter {_named(file)} is empty")
    return changes


def _all_names(shapes: Iterable[str]) -> list[str]:
    """The network's names, and upstream's for the same matrices."""
    back = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out.0": "o_proj"}
    found = []
    for name in shapes:
        found.append(name)
        for new, old in back.items():
            if name.endswith(f".{new}"):
                found.append(name.removesuffix(new) + old)
    return found


def _target(name: str, known: set[str], flat: Mapping[str, str]) -> str | None:
    if name.startswith(LYCORIS):
        name = flat.get(name.removeprefix(LYCORIS), "")
    while (prefix := next((p for p in PREFIXES if name.startswith(p)), None)) is not None:
        name = name.removeprefix(prefix)
    name = to_diffusers(name)
    return name if name in known else None


def _factor(
    file: Path, name: str, change: Change, config: Mapping[str, Any], metadata: Mapping[str, str]
) -> float:
    """Alpha over rank: the module's own alpha, else PEFT's, else the rank itself."""
    parts = change.parts
    if change.kronecker:
        ranks = [parts[part].shape[1] for part in ("lokr_w2_a", "lokr_w1_a") if part in parts]
        rank = ranks[0] if ranks else json.loads(metadata.get("lokr_config", "{}")).get("linear_dim")
        alpha = parts.get("alpha")
        return 1.0 if rank is None or alpha is None else float(alpha) / float(rank)
    if not {"down", "up"} <= parts.keys():
        raise refuse(f"the adapter {_named(file)} has only half of {name}; copy it again")
    size = parts["down"].shape[0]
    strength = float(parts["alpha"]) if "alpha" in parts else float(config.get("lora_alpha", size))
    return strength / float(size**0.5 if config.get("use_rslora") else size)


def _check_shape(file: Path, name: str, change: Change, shape: tuple[int, ...]) -> None:
    try:
        found = tuple(change.delta().shape)
    except (KeyError, RuntimeError) as error:
        raise refuse(f"the adapter {_named(file)} has parts of {name} that do not fit each other") from error
    if found != shape:
        words = f"was trained for another network: {name} is {_by(shape)} here, not {_by(found)}"
        raise refuse(f"the adapter {_named(file)} {words}")


def _by(shape: tuple[int, ...]) -> str:
    return " by ".join(map(str, shape))
