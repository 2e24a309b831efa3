"""The pool of cross-attention keys and values: computed once a song, read at every step."""

from __future__ import annotations

import torch
from torch import Tensor

ROWS = 64
"""Rows that the pool is handed out by: one key block of the attention kernel."""


class KeyValuePool:
    """Rows [layers, 2, rows, key heads, d], handed out first-fit in blocks of `ROWS`."""

    def __init__(self, layers: int, rows: int, key_heads: int, width: int, *, like: Tensor) -> None:
        self.rows = rows // ROWS * ROWS
        self.data = torch.zeros(layers, 2, self.rows, key_heads, width, dtype=like.dtype, device=like.device)
        self._taken: dict[int, int] = {}

    @staticmethod
    def blocks(rows: int) -> int:
        """Rows that a condition of so many really takes."""
        return -(-rows // ROWS) * ROWS

    def room(self) -> int:
        """The largest condition that still fits."""
        return max(stop - start for start, stop in self._gaps())

    def take(self, rows: int) -> int | None:
        """Reserve rows for one condition; returns the first, or None where no gap is large enough."""
        size = self.blocks(rows)
        for start, stop in self._gaps():
            if stop - start >= size:
                self._taken[start] = size
                return start
        return None

    def give(self, start: int) -> None:
        """Hand rows back."""
        del self._taken[start]

    def _gaps(self) -> list[tuple[int, int]]:
        gaps, end = [], 0
        for start in sorted(self._taken):
            gaps.append((end, start))
            end = start + self._taken[start]
        return [*gaps, (end, self.rows)]
