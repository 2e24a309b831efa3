"""One layer of the diffusion transformer over a pack, as a function of tensors: compiled once for all layers.

The mathematics are those of diffusers' `AceStepTransformerBlock`; what differs is that the sequence is
ragged, that projections which share their input are one product, and that the cross attention's keys come
ready from a pool.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from tasks.engines.acestep.kernels.attention import Attention
from tasks.engines.acestep.kernels.layers import Shape, Weight, fuse, linear, project, quantise, rms, swiglu
from tasks.engines.acestep.kernels.packing import Index


class Layer(NamedTuple):
    """One DiT layer's weights, fused: q, k and v are one matrix, gate and up another."""

    norm: Tensor
    qkv: Weight
    norm_q: Tensor
    norm_k: Tensor
    out: Weight
    cross_norm: Tensor
    cross_q: Weight
    cross_norm_q: Tensor
    cross_out: Weight
    mlp_norm: Tensor
    gate_up: Weight
    down: Weight


def read_layer(block: Any, *, fp8: bool) -> Layer:
    """The weights of one of diffusers' blocks, fused and, where asked, in float8."""

    def weigh(*parts: Tensor) -> Weight:
        return quantise(fuse(*parts)) if fp8 else fuse(*parts)

    own, cross, mlp = block.self_attn, block.cross_attn, block.mlp
    return Layer(
        norm=block.self_attn_norm.weight.detach(),
        qkv=weigh(own.to_q.weight, own.to_k.weight, own.to_v.weight),
        norm_q=own.norm_q.weight.detach(),
        norm_k=own.norm_k.weight.detach(),
        out=weigh(own.to_out[0].weight),
        cross_norm=block.cross_attn_norm.weight.detach(),
        cross_q=weigh(cross.to_q.weight),
        cross_norm_q=cross.norm_q.weight.detach(),
        cross_out=weigh(cross.to_out[0].weight),
        mlp_norm=block.mlp_norm.weight.detach(),
        gate_up=weigh(mlp.gate_proj.weight, mlp.up_proj.weight),
        down=weigh(mlp.down_proj.weight),
    )


def dit_block(
    x: Tensor,
    modulation: Tensor,
    index: Index,
    cos: Tensor,
    sin: Tensor,
    keys: Tensor,
    values: Tensor,
    layer: Layer,
    attention: Attention,
    window: int,
    shape: Shape,
) -> Tensor:
    """One DiT layer: x [tokens, d]; modulation [documents, 6, d]; keys, values [pool rows, key heads, d]."""
    m = modulation[index.document]
    h = (rms(x, layer.norm, shape.eps) * (1 + m[:, 1]) + m[:, 0]).to(x.dtype)
    q, k, v = project(h, layer.qkv, layer.norm_q, layer.norm_k, cos, sin, shape)
    attended = attention.within(q, k, v, index, window, False, 0)
    x = (x + linear(attended.reshape(x.shape[0], -1), layer.out) * m[:, 2]).to(x.dtype)
    h = rms(x, layer.cross_norm, shape.eps)
    q = rms(linear(h, layer.cross_q).view(-1, shape.heads, shape.width), layer.cross_norm_q, shape.eps)
    attended = attention.across(q, keys, values, index)
    x = x + linear(attended.reshape(x.shape[0], -1), layer.cross_out)
    h = (rms(x, layer.mlp_norm, shape.eps) * (1 + m[:, 4]) + m[:, 3]).to(x.dtype)
    return (x + swiglu(h, layer.gate_up, layer.down) * m[:, 5]).to(x.dtype)
