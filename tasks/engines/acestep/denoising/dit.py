"""ACE-Step's diffusion transformer over a pack of songs."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it
from torch import Tensor

from tasks.engines.acestep.denoising.block import dit_block, read_layer
from tasks.engines.acestep.denoising.key_value_pool import KeyValuePool
from tasks.engines.acestep.kernels.attention import Attention
from tasks.engines.acestep.kernels.layers import Shape, fuse, rms, rotary_table
from tasks.engines.acestep.kernels.packing import Index

POSITIONS = 8_192  # 600 s are 7,500 tokens
TIMES_KEPT = 2_048  # 28 KB each at full size


class Moment(NamedTuple):
    """What the network is told of one time: `modulation` [6, d] for its layers, `out` [d] for its end."""

    modulation: Tensor
    out: Tensor


class Times:
    """Embeds times, one by one (so that no song's embedding depends on another's), and keeps them."""

    def __init__(self, transformer: Any, dtype: torch.dtype, device: torch.device) -> None:
        self._embed, self._embed_r = transformer.time_embed, transformer.time_embed_r
        self._dtype, self._device = dtype, device
        self._kept: OrderedDict[float, Moment] = OrderedDict()

    @torch.inference_mode()
    def __call__(self, time: float) -> Moment:
        """The embedding of one time."""
        if (moment := self._kept.get(time)) is not None:
            self._kept.move_to_end(time)
            return moment
        now = time * torch.ones((1,), device=self._device, dtype=self._dtype)
        out, modulation = self._embed(now)
        out_r, modulation_r = self._embed_r(now - now)  # this model's second time is always its first
        moment = Moment((modulation + modulation_r)[0], (out + out_r)[0])
        self._kept[time] = moment
        if len(self._kept) > TIMES_KEPT:
            self._kept.popitem(last=False)
        return moment


class PackedDiT:
    """The network's weights, and its velocity over one pack."""

    def __init__(self, transformer: Any, attention: Attention, *, fp8: bool, compiled: bool) -> None:
        config = transformer.config
        if config.attention_bias:
            raise ValueError("this checkpoint's attention has biases, which no ACE-Step 1.5 model has")
        self.attention, self.compiled, self.patch = attention, compiled, int(config.patch_size)
        self.shape = Shape(
            config.num_attention_heads, config.num_key_value_heads, config.head_dim, config.rms_norm_eps
        )
        self.layers = [read_layer(block, fp8=fp8) for block in transformer.layers]
        local = int(config.sliding_window)
        self.windows = [local if kind == "sliding_attention" else -1 for kind in transformer.layer_types]
        self._read_ends(transformer)
        self._read_cross(transformer)
        self.times = Times(transformer, self.dtype, self.device)
        self.cos, self.sin = rotary_table(POSITIONS, config.head_dim, transformer.rope_theta, self.weight_in)
        self._block = torch.compile(dit_block) if compiled else dit_block
        self._enter = torch.compile(self._first) if compiled else self._first
        self._leave = torch.compile(self._last) if compiled else self._last
        self._split = torch.compile(self._keys) if compiled else self._keys

    @property
    def dtype(self) -> torch.dtype:
        """The numbers that latents and activations are in."""
        return self.weight_in.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.weight_in.device

    def _read_ends(self, transformer: Any) -> None:
        first, last = transformer.proj_in_conv, transformer.proj_out_conv
        self.weight_in = first.weight.detach().permute(0, 2, 1).flatten(1).contiguous()
        self.bias_in = first.bias.detach()
        self.weight_out = last.weight.detach().permute(2, 1, 0).flatten(0, 1).contiguous()
        self.bias_out = last.bias.detach().repeat(self.patch)
        self.norm_out = transformer.norm_out.weight.detach()
        self.table_out = transformer.scale_shift_table.detach()
        self.tables = fuse(*(block.scale_shift_table for block in transformer.layers))
        self.channels = int(transformer.config.audio_acoustic_hidden_dim)
        self.hidden = int(self.tables.shape[-1])

    def _read_cross(self, transformer: Any) -> None:
        embed = transformer.condition_embedder
        self.embed = (embed.weight.detach(), embed.bias.detach())
        crosses = [block.cross_attn for block in transformer.layers]
        self.cross_kv = fuse(*(fuse(cross.to_k.weight, cross.to_v.weight) for cross in crosses))
        self.cross_norm_k = torch.stack([cross.norm_k.weight.detach() for cross in crosses])

    @torch.inference_mode()
    def write_keys(self, condition: Tensor, pool: KeyValuePool, start: int) -> None:
        """Write one song's cross keys and values: condition [rows, d] -> pool rows from `start`."""
        both = F.linear(F.linear(condition, *self.embed), self.cross_kv)
        both = both.view(condition.shape[0], len(self.layers), 2, self.shape.key_heads, self.shape.width)
        self._mark_dynamic(both)
        keys, values = self._split(both)
        where = slice(start, start + condition.shape[0])
        pool.data[:, 0, where].copy_(keys)
        pool.data[:, 1, where].copy_(values)

    def _keys(self, both: Tensor) -> tuple[Tensor, Tensor]:
        keys = rms(both[:, :, 0], self.cross_norm_k[:, None], self.shape.eps)
        return keys.transpose(0, 1), both[:, :, 1].transpose(0, 1)

    def _first(self, x: Tensor, context: Tensor, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        both = torch.cat([context, x], dim=-1)
        patches = both.view(both.shape[0] // self.patch, -1)
        hidden = F.linear(patches, self.weight_in, self.bias_in)
        return hidden, self.cos[position], self.sin[position]

    def _last(self, hidden: Tensor, time: Tensor, document: Tensor) -> Tensor:
        table = (self.table_out + time[:, None])[document]
        normed = rms(hidden, self.norm_out, self.shape.eps)
        out = (normed * (1 + table[:, 1]) + table[:, 0]).to(hidden.dtype)
        return F.linear(out, self.weight_out, self.bias_out).view(-1, self.channels)

    def velocity(
        self, x: Tensor, context: Tensor, modulation: Tensor, time: Tensor, index: Index, pool: KeyValuePool
    ) -> Tensor:
        """Where every latent row is heading.

        Args:
            x: Latents of all songs, [rows, channels]; rows = tokens * patch.
            context: Source latents and mask, [rows, 2 * channels].
            modulation: Each document's time for the layers, [documents + 1, 6, d].
            time: The same for the last norm, [documents + 1, d].
            index: Where each document lies.
            pool: The songs' cross keys and values.

        Returns:
            Velocities [rows, channels].
        """
        self._mark_dynamic(x, context, index.position)
        hidden, cos, sin = self._enter(x, context, index.position)
        modulations = self.tables[:, None] + modulation[None]
        self._mark_dynamic(cos, sin, *index[:7])
        for number, (layer, window) in enumerate(zip(self.layers, self.windows, strict=True)):
            mine = modulations[number]
            keys, values = pool.data[number, 0], pool.data[number, 1]
            self._mark_dynamic(hidden, mine, keys, values)
            hidden = self._block(
                hidden,
                mine,
                index,
                cos,
                sin,
                keys,
                values,
                layer,
                self.attention,
                window,
                self.shape,
            )
        self._mark_dynamic(hidden, time)
        out: Tensor = self._leave(hidden, time, index.document)
        return out

    def _mark_dynamic(self, *tensors: Tensor) -> None:
        """Say that these change length from pack to pack, or each bucket would be compiled anew."""
        if self.compiled:
            for tensor in tensors:
                torch._dynamo.mark_dynamic(tensor, 0)
