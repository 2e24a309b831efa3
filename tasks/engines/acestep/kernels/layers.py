"""What the layers of every network here are made of, as plain functions of tensors over a pack."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it
from torch import Tensor

FP8_MAX = 448.0  # largest finite value of float8 e4m3


class Fp8(NamedTuple):
    """A weight [out, in] in float8 e4m3 with one float32 scale a row [out, 1]."""

    data: Tensor
    scale: Tensor


Weight = Tensor | Fp8


class Shape(NamedTuple):
    """The numbers of a network's heads."""

    heads: int
    key_heads: int
    width: int
    eps: float


def fuse(*parts: Tensor) -> Tensor:
    """Matrices that share their input, as one."""
    return torch.cat([part.detach() for part in parts]).contiguous()


def quantise(x: Tensor) -> Fp8:
    """Float8 with a scale a row: x [rows, n] -> data [rows, n], scale [rows, 1]."""
    scale = x.abs().amax(-1, keepdim=True).float().clamp(min=1e-12) / FP8_MAX
    return Fp8((x.float() / scale).clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn), scale)


def linear(x: Tensor, weight: Weight) -> Tensor:
    """X [rows, in] times the weight's transpose, in float8 where the weight is."""
    if isinstance(weight, Fp8):
        row = quantise(x)
        return torch._scaled_mm(
            row.data,
            weight.data.t(),
            scale_a=row.scale,
            scale_b=weight.scale.t(),
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )
    return F.linear(x, weight)


def rms(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Root-mean-square norm over the last axis, in float32 inside."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)).to(weight.dtype) * weight


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, half against half: x [tokens, heads, d]; cos, sin [tokens, 1, d]."""
    wide = x.float()
    left, right = wide.chunk(2, dim=-1)
    return (wide * cos.float() + torch.cat([-right, left], dim=-1) * sin.float()).to(x.dtype)


def rotary_table(length: int, width: int, theta: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines [length, width] of every position."""
    steps = torch.arange(0, width, 2, dtype=torch.float32, device=like.device)
    frequency = 1.0 / (theta ** (steps / width))
    angle = torch.outer(torch.arange(length, dtype=torch.float32, device=like.device), frequency)
    angle = torch.cat([angle, angle], dim=-1)
    return angle.cos().to(like.dtype), angle.sin().to(like.dtype)


def project(
    x: Tensor, qkv: Weight, norm_q: Tensor, norm_k: Tensor, cos: Tensor, sin: Tensor, shape: Shape
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of self attention, normed and rotated: each [tokens, heads, d]."""
    wide, narrow = shape.heads * shape.width, shape.key_heads * shape.width
    q, k, v = linear(x, qkv).split([wide, narrow, narrow], dim=-1)
    q = rms(q.view(-1, shape.heads, shape.width), norm_q, shape.eps)
    k = rms(k.view(-1, shape.key_heads, shape.width), norm_k, shape.eps)
    cos, sin = cos[:, None], sin[:, None]
    return rotate(q, cos, sin), rotate(k, cos, sin), v.view(-1, shape.key_heads, shape.width)


def swiglu(x: Tensor, gate_up: Weight, down: Weight) -> Tensor:
    """The gated MLP."""
    gate, up = linear(x, gate_up).chunk(2, dim=-1)
    return linear(F.silu(gate) * up, down)
