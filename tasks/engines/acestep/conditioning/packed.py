"""The encoders of words over many songs at once: one ragged sequence, recorded as a CUDA graph a bucket.

A layer is that of diffusers' `AceStepEncoderLayer`, and of transformers' Qwen3, which is the same but causal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it
from torch import Tensor
from transformers import Qwen3Model

from tasks.engines.acestep.checkpoint.model import DeviceModel
from tasks.engines.acestep.conditioning.conditioner import Conditioner, Words
from tasks.engines.acestep.kernels.attention import Attention, choose_causal
from tasks.engines.acestep.kernels.graphs import Graphs
from tasks.engines.acestep.kernels.layers import (
    Shape,
    Weight,
    fuse,
    linear,
    project,
    rms,
    rotary_table,
    swiglu,
)
from tasks.engines.acestep.kernels.packing import Document, Index, Tables, bucket
from tasks.engines.acestep.plan.plan import Plan
from tasks.engines.acestep.plan.prompt import LYRICS_LONGEST, TEXT_LONGEST

TEXT_BUCKET, LYRICS_BUCKET = 256, 512


class EncoderLayer(NamedTuple):
    """One layer of an encoder of words: Qwen3's, or ACE-Step's own for lyrics."""

    norm: Tensor
    qkv: Weight
    norm_q: Tensor
    norm_k: Tensor
    out: Weight
    mlp_norm: Tensor
    gate_up: Weight
    down: Weight


def encoder_block(
    x: Tensor,
    index: Index,
    cos: Tensor,
    sin: Tensor,
    layer: EncoderLayer,
    attention: Attention,
    window: int,
    causal: bool,
    longest: int,
    shape: Shape,
) -> Tensor:
    """One layer of an encoder of words: x [tokens, d] -> the same."""
    h = rms(x, layer.norm, shape.eps)
    q, k, v = project(h, layer.qkv, layer.norm_q, layer.norm_k, cos, sin, shape)
    attended = attention.within(q, k, v, index, window, causal, longest)
    x = x + linear(attended.reshape(x.shape[0], -1), layer.out)
    return x + swiglu(rms(x, layer.mlp_norm, shape.eps), layer.gate_up, layer.down)


class Stack(NamedTuple):
    """One encoder's weights: `enter` turns token numbers into rows, `leave` finishes what the layers made."""

    layers: list[EncoderLayer]
    windows: list[int]
    shape: Shape
    cos: Tensor
    sin: Tensor
    causal: bool
    longest: int  # tokens of any one document, the tail included; 0 where that is most of the bucket
    enter: Callable[[Tensor], Tensor]
    leave: Callable[[Tensor], Tensor]


def _encoder_layer(block: Any, names: tuple[str, str, str, str, str, str]) -> EncoderLayer:
    own, mlp = block.self_attn, block.mlp
    q, k, v, out, norm_q, norm_k = (own.get_submodule(name).weight for name in names)
    return EncoderLayer(
        norm=block.input_layernorm.weight.detach(),
        qkv=fuse(q, k, v),
        norm_q=norm_q.detach(),
        norm_k=norm_k.detach(),
        out=out.detach(),
        mlp_norm=block.post_attention_layernorm.weight.detach(),
        gate_up=fuse(mlp.gate_proj.weight, mlp.up_proj.weight),
        down=mlp.down_proj.weight.detach(),
    )


def read_text(encoder: Any, projector: Tensor) -> Stack:
    """Qwen3 and the projection of what it says."""
    config = encoder.config
    shape = Shape(
        config.num_attention_heads, config.num_key_value_heads, config.head_dim, config.rms_norm_eps
    )
    table, norm = encoder.embed_tokens.weight.detach(), encoder.norm.weight.detach()
    theta = config.rope_parameters["rope_theta"]
    cos, sin = rotary_table(TEXT_LONGEST + TEXT_BUCKET, shape.width, theta, table)
    names = ("q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm")
    return Stack(
        layers=[_encoder_layer(block, names) for block in encoder.layers],
        windows=[-1] * len(encoder.layers),
        shape=shape,
        cos=cos,
        sin=sin,
        causal=True,
        longest=max(TEXT_LONGEST, TEXT_BUCKET),
        enter=lambda ids: F.embedding(ids, table),
        leave=lambda x: F.linear(rms(x, norm, shape.eps), projector),
    )


def read_lyrics(encoder: Any, table: Tensor) -> Stack:
    """ACE-Step's encoder of lyrics, over Qwen3's embedding table."""
    own = encoder.layers[0].self_attn
    shape = Shape(own.heads, own.kv_heads, own.head_dim, encoder.norm.eps)
    embed, norm = encoder.embed_tokens, encoder.norm.weight.detach()
    cos, sin = rotary_table(LYRICS_LONGEST + LYRICS_BUCKET, shape.width, encoder.rope_theta, norm)
    local = [kind == "sliding_attention" for kind in encoder._layer_types]
    names = ("to_q", "to_k", "to_v", "to_out.0", "norm_q", "norm_k")
    return Stack(
        layers=[_encoder_layer(block, names) for block in encoder.layers],
        windows=[int(encoder.sliding_window) if near else -1 for near in local],
        shape=shape,
        cos=cos,
        sin=sin,
        causal=False,
        longest=0,
        enter=lambda ids: F.linear(F.embedding(ids, table), embed.weight, embed.bias),
        leave=lambda x: rms(x, norm, shape.eps),
    )


@dataclass
class _Bucket:
    """Static buffers of one bucket: what a recorded graph reads and writes."""

    ids: Tensor
    tables: Tables
    out: Tensor | None = None


class PackedEncoder:
    """Runs one encoder over the words of many songs."""

    def __init__(
        self, stack: Stack, attention: Attention, device: torch.device, *, step: int, places: int
    ) -> None:
        self._stack, self._attention, self._device = stack, attention, device
        self._step, self._places = step, places
        self._buckets: dict[int, _Bucket] = {}
        self._compiled = False
        self._block: Callable[..., Tensor] = encoder_block
        self._graphs = Graphs(device, enabled=False)

    def compile(self) -> None:
        """Compile the layer, and record what runs."""
        self._compiled = True
        self._block = torch.compile(encoder_block)
        self._graphs = Graphs(self._device, enabled=True)

    def __call__(self, songs: Sequence[Tensor]) -> list[Tensor]:
        """Each song's rows [n, d]; valid until the next call."""
        lengths = [len(song) for song in songs]
        place = self._place(bucket(sum(lengths), self._step))
        place.tables.fill([Document(n, 0, n) for n in lengths], lengths, Document(0, 0, 1))
        host = torch.zeros(place.ids.shape, dtype=torch.long, pin_memory=place.ids.is_cuda)
        host[: sum(lengths)] = torch.cat(list(songs))
        place.ids.copy_(host, non_blocking=True)
        self._graphs.run((id(self), len(host)), lambda: self._forward(place))
        if place.out is None:
            raise RuntimeError("the encoder ran without a result")
        return list(place.out[: sum(lengths)].split(lengths))

    def _place(self, rows: int) -> _Bucket:
        if rows not in self._buckets:
            ids = torch.zeros(rows, dtype=torch.long, device=self._device)
            tables = Tables(rows, self._places, 1, self._device, spans=self._attention.needs_spans)
            self._buckets[rows] = _Bucket(ids, tables)
        return self._buckets[rows]

    def _forward(self, place: _Bucket) -> None:
        stack, index = self._stack, place.tables.index
        # the tail's positions may pass the table's end; nothing reads the tail
        position = index.position.clamp(max=stack.cos.shape[0] - 1)
        x, cos, sin = stack.enter(place.ids), stack.cos[position], stack.sin[position]
        self._mark_dynamic(cos, sin, *index[:4], index.tiles)
        for layer, window in zip(stack.layers, stack.windows, strict=True):
            self._mark_dynamic(x)
            fixed = (layer, self._attention, window, stack.causal, stack.longest, stack.shape)
            x = self._block(x, index, cos, sin, *fixed)
        out = stack.leave(x)
        if place.out is None:
            place.out = torch.empty_like(out)
        place.out.copy_(out)

    def _mark_dynamic(self, *tensors: Tensor) -> None:
        if self._compiled:
            for tensor in tensors:
                torch._dynamo.mark_dynamic(tensor, 0)


def packable(model: DeviceModel) -> bool:
    """Whether the text encoder is one whose layers are known here."""
    encoder = model.pipe.text_encoder
    config = encoder.config
    return (
        isinstance(encoder, Qwen3Model)
        and config.rope_parameters.get("rope_type", "default") == "default"
        and not config.attention_bias
        and not getattr(encoder, "has_sliding_layers", False)
    )


class PackedConditioner(Conditioner):
    """Encodes the words of many songs in one pass; the timbre of silence is known from the start."""

    def __init__(self, model: DeviceModel, *, places: int, compiled: bool) -> None:
        super().__init__(model)
        pipe, device = model.pipe, model.device
        way = choose_causal(device, model.dtype)
        condition = pipe.condition_encoder
        text = read_text(pipe.text_encoder, condition.text_projector.weight.detach())
        lyrics = read_lyrics(condition.lyric_encoder, pipe.text_encoder.embed_tokens.weight.detach())
        self._text = PackedEncoder(text, way, device, step=TEXT_BUCKET, places=places)
        self._lyrics = PackedEncoder(lyrics, way, device, step=LYRICS_BUCKET, places=places)
        if compiled:
            self._text.compile()
            self._lyrics.compile()
        self._silent: Tensor | None = None

    @torch.inference_mode()
    def encode(self, plans: Sequence[Plan], words: Sequence[Words]) -> list[Tensor]:
        """Each song's condition [rows, d]: lyrics, timbre, text."""
        text = self._text([word.text for word in words])
        lyrics = self._lyrics([word.lyrics for word in words])
        timbres = [self._timbre(plan) for plan in plans]
        return [torch.cat(parts) for parts in zip(lyrics, timbres, text, strict=True)]

    def _timbre(self, plan: Plan) -> Tensor:
        if plan.reference is None and self._silent is not None:
            return self._silent
        order = torch.zeros(1, device=self.model.device, dtype=torch.long)
        heard, _ = self.model.pipe.condition_encoder.timbre_encoder(self.timbre_latents(plan), order)
        timbre: Tensor = heard[0].clone()
        if plan.reference is None:
            self._silent = timbre
        return timbre
