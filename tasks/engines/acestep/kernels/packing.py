"""Where each document of a pack lies: many songs' tokens in one ragged sequence, with nothing in between.

A document is one song's tokens for one pass of the network; a guided song brings two, one of them
unconditional. The tail up to the bucket's size is a document of its own, so that no song ever sees padding.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

BUCKET, SMALL_BUCKET = 512, 256
"""Tokens that buckets grow by, and that those below `FINE` grow by: a recorded graph serves one bucket."""

FINE = 2_048

LEAST = 62
"""Fewest tokens of a song (5 s have 63): a bucket needs no places for more songs than that."""

TILE = 64
"""Query rows of one tile of the Triton attention; tiles start where their document does."""

ALIGN = 64  # integers; keeps every table on a 256-byte boundary, which the compiled code relies on


@dataclass(frozen=True)
class Document:
    """One document: its tokens, and the rows of the key pool that its cross attention reads."""

    tokens: int
    key_start: int
    keys: int


class Span(NamedTuple):
    """A document's query rows and key rows, as plain numbers for attention without kernels."""

    start: int
    stop: int
    key_start: int
    key_stop: int


class Index(NamedTuple):
    """The tables of one pack on the device, all int32.

    `document` and `position` are [tokens]; `row` is each latent row's document [rows], or the tail's where
    the row only fills up a patch; `starts` is [documents + 2], `key_starts` and `keys` say where each
    document's cross keys lie; `tiles` is [n, 2]: document and first row of each query tile, document -1 where
    unused.
    """

    document: Tensor
    position: Tensor
    row: Tensor
    starts: Tensor
    key_starts: Tensor
    keys: Tensor
    tiles: Tensor
    spans: tuple[Span, ...] = ()


def bucket(tokens: int, multiple: int = BUCKET) -> int:
    """The smallest bucket that holds so many tokens."""
    return -(-max(tokens, 1) // multiple) * multiple


def pack_bucket(tokens: int) -> int:
    """The bucket of a pack of songs."""
    return bucket(tokens, SMALL_BUCKET if tokens <= FINE else BUCKET)


class Tables:
    """The index of one bucket: slices of one device buffer, so that one copy fills them all."""

    def __init__(self, tokens: int, places: int, patch: int, device: torch.device, *, spans: bool) -> None:
        self.tokens, self.places, self.patch, self._spans = tokens, places, patch, spans
        self._slices: dict[str, slice] = {}
        end = 0
        for name, size in self._sizes().items():
            self._slices[name] = slice(end, end + size)
            end += bucket(size, ALIGN)
        self._size = end
        self._buffer = torch.zeros(end, dtype=torch.int32, device=device)
        self.index = self._view(())

    def _sizes(self) -> dict[str, int]:
        t, d = self.tokens, self.places
        tiles = t // TILE + d + 2
        sizes = {"document": t, "position": t, "row": t * self.patch, "starts": d + 2}
        return sizes | {"key_starts": d + 2, "keys": d + 1, "tiles": 2 * tiles}

    def _view(self, spans: tuple[Span, ...]) -> Index:
        parts = {name: self._buffer[where] for name, where in self._slices.items()}
        return Index(**(parts | {"tiles": parts["tiles"].view(-1, 2)}), spans=spans)

    def fill(self, documents: Sequence[Document], rows: Sequence[int], spare: Document) -> Index:
        """Describe a pack: `rows` are each document's latent rows, `spare` the keys the tail may read."""
        pinned = self._buffer.is_cuda
        host = torch.empty(self._size, dtype=torch.int32, pin_memory=pinned)
        parts = {name: host.numpy()[where] for name, where in self._slices.items()}
        stops = _fill(parts, documents, rows, spare, self.tokens, self.places, self.patch)
        self._buffer.copy_(host, non_blocking=True)
        spans: tuple[Span, ...] = ()
        if self._spans:
            whole = [*documents, Document(self.tokens - stops[-1], spare.key_start, spare.keys)]
            starts = [0, *stops]
            spans = tuple(
                Span(start, start + d.tokens, d.key_start, d.key_start + d.keys)
                for start, d in zip(starts, whole, strict=True)
                if d.tokens
            )
        self.index = self._view(spans)
        return self.index


def _fill(
    parts: dict[str, npt.NDArray[np.int32]],
    documents: Sequence[Document],
    rows: Sequence[int],
    spare: Document,
    tokens: int,
    places: int,
    patch: int,
) -> list[int]:
    """Write the tables; returns where each document stops."""
    for name, value in (("document", places), ("row", places), ("keys", spare.keys), ("tiles", -1)):
        parts[name][:] = value
    parts["key_starts"][:] = spare.key_start
    stops: list[int] = []
    start = 0
    for number, (document, latents) in enumerate(zip(documents, rows, strict=True)):
        stop = start + document.tokens
        parts["document"][start:stop] = number
        parts["position"][start:stop] = np.arange(document.tokens)
        parts["row"][start * patch : start * patch + latents] = number
        parts["key_starts"][number] = document.key_start
        parts["keys"][number] = document.keys
        stops.append(stop)
        start = stop
    parts["position"][start:] = np.arange(tokens - start)
    parts["starts"][:] = start
    parts["starts"][: len(stops) + 1] = [0, *stops]
    parts["starts"][-1] = tokens
    _tile(parts["tiles"].reshape(-1, 2), [0, *stops], tokens, places)
    return stops or [0]


def _tile(tiles: npt.NDArray[np.int32], bounds: list[int], tokens: int, tail: int) -> None:
    """List the query tiles, those of long documents first: they take longest, so they must not start last."""
    spans = [
        (stop - start, number, start, stop) for number, (start, stop) in enumerate(itertools.pairwise(bounds))
    ]
    spans.append((tokens - bounds[-1], tail, bounds[-1], tokens))
    at = 0
    for _, number, start, stop in sorted(spans, key=lambda span: (-span[0], span[1])):
        first = np.arange(start, stop, TILE)
        tiles[at : at + len(first), 0] = number
        tiles[at : at + len(first), 1] = first
        at += len(first)
