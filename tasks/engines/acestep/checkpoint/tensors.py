"""Tensors of a checkpoint, mapped: a file is read where and when a tensor is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from tasks.engines.models import Weights


class MappedTensors(Mapping[str, Tensor]):
    """Name -> tensor over one or many safetensors files, without a prefix that all names share."""

    def __init__(self, weights: Weights) -> None:
        self._files: dict[str, Any] = {}
        self._prefix = weights.prefix
        for path in weights.files:
            file = safe_open(str(path), framework="pt", device="cpu")
            for name in file.keys():  # noqa: SIM118 - it has no __iter__
                if name.startswith(self._prefix):
                    self._files[name.removeprefix(self._prefix)] = file

    def __getitem__(self, name: str) -> Tensor:
        found: Tensor = self._files[name].get_tensor(self._prefix + name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, from the file's header.

        Raises:
            KeyError: There is no such tensor.
        """
        return tuple(self._files[name].get_slice(self._prefix + name).get_shape())

    def count(self, pattern: str) -> int:
        """How many layers there are: the first number for which `pattern` with it starts no name."""
        number = 0
        while any(name.startswith(pattern.format(number)) for name in self._files):
            number += 1
        return number


def read_silence(file: Path) -> Tensor:
    """The latents of silence, [1, n, channels], from upstream's silence_latent.pt ([1, channels, n]).

    Only tensors are read from it: no code that a pickle may hold is run.

    Raises:
        ValueError: It holds something else.
    """
    found = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(found, Tensor) or found.ndim != 3 or found.shape[0] != 1:
        raise ValueError(f"{file.name} does not hold one tensor [1, channels, n]; fetch it again")
    return found.transpose(1, 2).contiguous()
