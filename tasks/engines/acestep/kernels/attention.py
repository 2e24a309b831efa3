"""Attention inside a pack: a document sees itself and its own condition, never a neighbour.

Three ways with one meaning, chosen once by what the device has: our Triton kernel (Hopper), PyTorch's own
FlashAttention 2 with cumulative lengths (Ampere and later), and plain scaled_dot_product_attention document
by document (everything else, and float32). None builds a mask of the whole pack.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it
from torch import Tensor

from tasks.engines.acestep.kernels.packing import Index, Span

Within = Callable[[Tensor, Tensor, Tensor, Index, int, bool, int], Tensor]
"""Self attention: q [tokens, heads, d], k and v [tokens, key heads, d], index, window (-1: none), causal,
tokens of the longest document (0: not known)."""

Across = Callable[[Tensor, Tensor, Tensor, Index], Tensor]
"""Cross attention: q [tokens, heads, d]; keys and values [pool rows, key heads, d]; index."""


class Attention(NamedTuple):
    """One way to attend."""

    name: str
    within: Within
    across: Across
    needs_spans: bool = False


def _one(q: Tensor, k: Tensor, v: Tensor, window: int, causal: bool) -> Tensor:
    """One document: q [n, heads, d], k and v [m, key heads, d] -> [n, heads, d]."""
    q, k, v = (part.transpose(0, 1)[None] for part in (q, k, v))
    mask = None
    if window >= 0:
        rows = torch.arange(q.shape[2], device=q.device)
        distance = rows[:, None] - rows[None]
        mask = distance.abs() <= window
    out = F.scaled_dot_product_attention(
        q, k, v, mask, is_causal=causal, scale=q.shape[-1] ** -0.5, enable_gqa=True
    )
    return out[0].transpose(0, 1)


def attend_plain(
    q: Tensor, k: Tensor, v: Tensor, spans: tuple[Span, ...], window: int = -1, causal: bool = False
) -> Tensor:
    """Attend document by document; the meaning that the kernels are held against."""
    out = torch.empty_like(q)
    for span in spans:
        part = slice(span.start, span.stop)
        keys = slice(span.key_start, span.key_stop)
        out[part] = _one(q[part], k[keys], v[keys], window, causal)
    return out


def _plain_within(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    index: Index,
    window: int,
    causal: bool,
    longest: int = 0,  # noqa: ARG001
) -> Tensor:
    own = tuple(Span(s.start, s.stop, s.start, s.stop) for s in index.spans)
    return attend_plain(q, k, v, own, window, causal)


def _plain_across(q: Tensor, keys: Tensor, values: Tensor, index: Index) -> Tensor:
    return attend_plain(q, keys, values, index.spans)


@torch.library.custom_op("tutti::attend_flash", mutates_args=())
def attend_flash(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    starts: Tensor,
    key_starts: Tensor,
    keys: Tensor | None,
    longest: int,
    window: int,
    causal: bool,
) -> Tensor:
    """FlashAttention 2 over ragged documents; `keys`, where given, says how many keys of each count."""
    out: Tensor = torch.ops.aten._flash_attention_forward(
        q,
        k,
        v,
        starts,
        key_starts,
        longest,
        longest,
        0.0,
        causal,
        False,
        scale=q.shape[-1] ** -0.5,
        window_size_left=window,
        window_size_right=0 if causal else window,
        seqused_k=keys,
    )[0]
    return out


@attend_flash.register_fake
def _(
    q: Tensor,
    k: Tensor,  # noqa: ARG001
    v: Tensor,  # noqa: ARG001
    starts: Tensor,  # noqa: ARG001
    key_starts: Tensor,  # noqa: ARG001
    keys: Tensor | None,  # noqa: ARG001
    longest: int,  # noqa: ARG001
    window: int,  # noqa: ARG001
    causal: bool,  # noqa: ARG001
) -> Tensor:
    return torch.empty_like(q, memory_format=torch.contiguous_format)


KEYS_LONGEST = 4096  # no condition is longer: 256 text tokens, 2,048 of lyrics and the timbre's


def _flash_within(
    q: Tensor, k: Tensor, v: Tensor, index: Index, window: int, causal: bool, longest: int = 0
) -> Tensor:
    # the kernel is launched for so many tokens of each document that may be there
    return attend_flash(q, k, v, index.starts, index.starts, None, longest or q.shape[0], window, causal)


def _flash_across(q: Tensor, keys: Tensor, values: Tensor, index: Index) -> Tensor:
    longest = max(q.shape[0], KEYS_LONGEST)
    return attend_flash(q, keys, values, index.starts, index.key_starts, index.keys, longest, -1, False)


PLAIN = Attention("plain", _plain_within, _plain_across, needs_spans=True)
FLASH = Attention("flash", _flash_within, _flash_across)


@cache
def triton() -> Attention:
    """Our own kernel; imported only here, since it needs Triton and compiles for Hopper alone."""
    from tasks.engines.acestep.kernels.attention_triton import across, within

    return Attention("triton", within, across)


def choose(device: torch.device, dtype: torch.dtype) -> Attention:
    """The fastest way that this device and these numbers allow."""
    way = choose_causal(device, dtype)
    if way is FLASH and torch.cuda.get_device_capability(device)[0] == 9:
        return triton()
    return way


def choose_causal(device: torch.device, dtype: torch.dtype) -> Attention:
    """The same for encoders of words, whose attention may be causal, which the Triton kernel's is not."""
    half = dtype in {torch.bfloat16, torch.float16}
    if device.type != "cuda" or not half or torch.cuda.get_device_capability(device)[0] < 8:
        return PLAIN
    return FLASH
