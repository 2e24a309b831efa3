"""The weights that songs ask for: the checkpoint's own, and those changed by adapters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tasks.engines.acestep.adapters import reading
from tasks.engines.acestep.checkpoint.model import read_transformer
from tasks.engines.acestep.checkpoint.options import Options
from tasks.engines.acestep.network.build import Built, TransformerWeights

KEPT = 2  # a changed set is as large as the network: 4 GB in bfloat16

Chosen = tuple[tuple[str, float], ...]
"""Adapters by name, each with its scale, in one order; () for the checkpoint's own weights."""


class AdaptedWeights:
    """Keeps the last `KEPT` changed sets of weights on the device."""

    def __init__(self, built: Built, options: Options) -> None:
        self._built, self._options = built, options
        self._merged: OrderedDict[Chosen, TransformerWeights] = OrderedDict()
        self._checked: set[tuple[Path, int]] = set()

    @property
    def names(self) -> list[str]:
        """What the changed sets are of, the one used last at the end."""
        return ["+".join(name for name, _ in chosen) for chosen in self._merged]

    def check(self, chosen: Chosen) -> None:
        """Refuse adapters that are not here or do not fit, before a song waits for them.

        Raises:
            JobError: Which it is and why.
        """
        for name, _ in chosen:
            file = reading.find(self._options.loras, name)
            state = file, file.stat().st_mtime_ns
            if state not in self._checked:
                reading.read(file, self._built.model.shapes)
                self._checked.add(state)

    def weights(self, chosen: Chosen, used: Collection[Chosen]) -> TransformerWeights:
        """The weights with these adapters, made at their first use; those of `used` stay in any case."""
        if not chosen:
            return self._built.weights
        if chosen not in self._merged:
            self._make_room(used)
            self._merged[chosen] = self._built.add_weights(self._change(chosen))
        self._merged.move_to_end(chosen)
        return self._merged[chosen]

    @torch.inference_mode()
    def _change(self, chosen: Chosen) -> Any:
        """The checkpoint's transformer, each of its matrices changed by every adapter in turn."""
        transformer = read_transformer(self._built.model)
        matrices = {name: part for name, part in transformer.named_modules() if isinstance(part, nn.Linear)}
        for name, scale in chosen:
            file = reading.find(self._options.loras, name)
            for target, change in reading.read(file, self._built.model.shapes).items():
                weight = matrices[target].weight
                changed = _on(weight.device, change).apply(weight.data, scale)
                matrices[target].weight = nn.Parameter(changed.to(weight.dtype), requires_grad=False)
        return transformer

    def _make_room(self, used: Collection[Chosen]) -> None:
        for chosen in [chosen for chosen in self._merged if chosen not in used]:
            if len(self._merged) < KEPT:
                return
            weights = self._merged.pop(chosen)
            self._built.pack.forget(weights.dit)
            self._built.pool.give(weights.spare.key_start)


def _on(device: torch.device, change: reading.Change) -> reading.Change:
    magnitude = None if change.magnitude is None else change.magnitude.to(device)
    return reading.Change({n: part.to(device) for n, part in change.parts.items()}, change.factor, magnitude)
