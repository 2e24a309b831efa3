"""Ragged attention in Triton for Hopper: documents, an optional window, grouped heads, keys in a pool.

The work is a list of query tiles, one row (document, first row) a tile, so nothing is launched for documents
that are not there. Query tiles and key blocks both start at their document's own first row: a document's
result does not depend on where it lies or who its neighbours are, bit for bit. Whole key blocks come through
the bulk copy engine without a mask; the ragged last one is masked and its values zeroed, so that a
neighbour's NaN cannot leak in as 0 * NaN.

Method: online softmax in base two, as in FlashAttention 2 (Dao 2023, arXiv:2307.08691).
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.tools.tensor_descriptor import TensorDescriptor

from tasks.engines.acestep.kernels.packing import TILE, Index

LOG2_E = 1.4426950408889634
KEY_BLOCK, WARPS = 64, 4
STAGES_FULL, STAGES_LOCAL = 3, 2  # the fastest of six configurations on one H100; fixed, so that bits repeat


@triton.jit
def _accumulate(q, k, v, acc, top, total, scale, mask, MASKED: tl.constexpr):  # type: ignore[no-untyped-def]
    score = tl.dot(q, tl.trans(k)) * scale
    if MASKED:
        score = tl.where(mask, score, -1.0e30)
    new_top = tl.maximum(top, tl.max(score, 1))
    weight = tl.exp2(score - new_top[:, None])
    fade = tl.exp2(top - new_top)
    total = total * fade + tl.sum(weight, 1)
    acc = tl.dot(weight.to(v.dtype), v, acc * fade[:, None])
    return acc, new_top, total


@triton.jit
def _attend(  # type: ignore[no-untyped-def]
    q_rows,
    k_rows,
    v_rows,
    out,
    tiles,
    starts,
    key_starts,
    keys,
    scale,
    HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    WIDTH: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    WINDOW: tl.constexpr,
    POOLED: tl.constexpr,
    STAGES: tl.constexpr,
):
    head = tl.program_id(0)
    tile = tl.program_id(1)
    document = tl.load(tiles + 2 * tile)
    if document >= 0:
        first = tl.load(tiles + 2 * tile + 1)
        start = tl.load(starts + document)
        stop = tl.load(starts + document + 1)
        key_start = tl.load(key_starts + document)
        if POOLED:
            key_stop = key_start + tl.load(keys + document)
        else:
            key_stop = tl.load(key_starts + document + 1)
        lane = head // GROUP * WIDTH
        column = tl.arange(0, BLOCK)
        rows = first + tl.arange(0, ROWS)
        # rows past the document's end are the next one's: computed with it, never stored
        q = q_rows.load([first, head * WIDTH])
        acc = tl.zeros((ROWS, WIDTH), dtype=tl.float32)
        top = tl.full((ROWS,), -1.0e30, dtype=tl.float32)
        total = tl.zeros((ROWS,), dtype=tl.float32)
        if WINDOW < 0:
            low = key_start
            high = key_start + (key_stop - key_start) // BLOCK * BLOCK
        else:
            low = key_start + tl.maximum(first - start - WINDOW, 0) // BLOCK * BLOCK
            wanted = tl.minimum(key_stop, first + ROWS + WINDOW)
            high = low + (wanted - low + BLOCK - 1) // BLOCK * BLOCK
            high = tl.where(high > key_stop, high - BLOCK, high)
        for at in tl.range(low, high, BLOCK, num_stages=STAGES):
            k = k_rows.load([at, lane])
            v = v_rows.load([at, lane])
            if WINDOW < 0:
                acc, top, total = _accumulate(q, k, v, acc, top, total, scale, None, False)
            else:
                apart = (at + column)[None, :] - rows[:, None]
                near = (apart <= WINDOW) & (apart >= -WINDOW)
                acc, top, total = _accumulate(q, k, v, acc, top, total, scale, near, True)
        if (high < key_stop) & ((WINDOW < 0) | (high < first + ROWS + WINDOW)):
            inside = high + column < key_stop
            k = k_rows.load([high, lane])
            v = v_rows.load([high, lane])
            v = tl.where(inside[:, None], v, 0.0).to(v.dtype)
            mask = (rows >= 0)[:, None] & inside[None, :]
            if WINDOW >= 0:
                apart = (high + column)[None, :] - rows[:, None]
                mask = mask & (apart <= WINDOW) & (apart >= -WINDOW)
            acc, top, total = _accumulate(q, k, v, acc, top, total, scale, mask, True)
        result = acc / tl.where(total > 0, total, 1.0)[:, None]
        where = out + rows[:, None] * (HEADS * WIDTH) + head * WIDTH + tl.arange(0, WIDTH)[None, :]
        tl.store(where, result.to(out.dtype.element_ty), mask=(rows < stop)[:, None])


def _rows(x: Tensor, block: int) -> Any:
    """A descriptor that copies [block, d] of one head; the rows of x may be strided."""
    count, heads, width = x.shape
    return TensorDescriptor(x, [count, heads * width], [x.stride(0), 1], [block, width])


@torch.library.custom_op("tutti::attend_triton", mutates_args=())
def attend_triton(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    tiles: Tensor,
    starts: Tensor,
    key_starts: Tensor,
    keys: Tensor | None,
    window: int,
) -> Tensor:
    """Attend; q [tokens, heads, d], k and v [rows, key heads, d], tables as in `packing.Index`."""
    tokens, heads, width = q.shape
    out = torch.empty(tokens, heads, width, device=q.device, dtype=q.dtype)
    _attend[(heads, tiles.shape[0])](
        _rows(q, TILE),
        _rows(k, KEY_BLOCK),
        _rows(v, KEY_BLOCK),
        out,
        tiles,
        starts,
        key_starts,
        keys if keys is not None else key_starts,
        width**-0.5 * LOG2_E,
        HEADS=heads,
        GROUP=heads // k.shape[1],
        WIDTH=width,
        ROWS=TILE,
        BLOCK=KEY_BLOCK,
        WINDOW=window,
        POOLED=keys is not None,
        STAGES=STAGES_FULL if window < 0 else STAGES_LOCAL,
        num_warps=WARPS,
    )
    return out


@attend_triton.register_fake
def _(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    tiles: Tensor,
    starts: Tensor,
    key_starts: Tensor,
    keys: Tensor | None,
    window: int,
) -> Tensor:
    return torch.empty_like(q, memory_format=torch.contiguous_format)


def within(
    q: Tensor, k: Tensor, v: Tensor, index: Index, window: int, causal: bool, longest: int = 0
) -> Tensor:
    """See `attention.Within`."""
    if causal:
        raise ValueError("the Triton attention is not causal")
    return attend_triton(q, k, v, index.tiles, index.starts, index.starts, None, window)


def across(q: Tensor, keys: Tensor, values: Tensor, index: Index) -> Tensor:
    """See `attention.Across`."""
    return attend_triton(q, keys, values, index.tiles, index.starts, index.key_starts, index.keys, -1)
