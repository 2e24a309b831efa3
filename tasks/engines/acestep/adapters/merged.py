"""The weights that songs ask for: the checkpoint's own, and those merged with an adapter."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from tasks.engines.acestep.adapters import lora
from tasks.engines.acestep.build import Built, Weights
from tasks.engines.acestep.options import Options


class Adapters:
    """Keeps the last `lora.KEPT` merged sets of weights on the device."""

    def __init__(self, built: Built, options: Options) -> None:
        self._built, self._options = built, options
        self._merged: OrderedDict[str, Weights] = OrderedDict()

    @property
    def names(self) -> list[str]:
        """The adapters that are merged, the one used last at the end."""
        return list(self._merged)

    def weights(self, name: str | None, used: Collection[str | None]) -> Weights:
        """The weights with this adapter, merged at its first use; those of `used` stay whatever it takes."""
        if name is None:
            return self._built.weights
        if name not in self._merged:
            self._make_room(used)
            file = lora.find(self._options.loras, name)
            merged = lora.merged_transformer(self._built.model, self._options.model, file)
            self._merged[name] = self._built.add_weights(merged)
        self._merged.move_to_end(name)
        return self._merged[name]

    def _make_room(self, used: Collection[str | None]) -> None:
        for name in [name for name in self._merged if name not in used]:
            if len(self._merged) < lora.KEPT:
                return
            weights = self._merged.pop(name)
            self._built.pack.forget(weights.dit)
            self._built.pool.give(weights.spare.key_start)
