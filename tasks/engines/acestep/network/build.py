"""Puts the parts of a loaded model together, with the fastest ways that its device allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from tasks.engines.acestep.checkpoint.model import DeviceModel
from tasks.engines.acestep.checkpoint.options import Options
from tasks.engines.acestep.conditioning.conditioner import Conditioner
from tasks.engines.acestep.conditioning.packed import PackedConditioner, packable
from tasks.engines.acestep.decoding.decoder import Decoder, Finisher, PlainDecoder
from tasks.engines.acestep.decoding.fused import fusable, fused_decoder
from tasks.engines.acestep.denoising.dit import PackedDiT
from tasks.engines.acestep.denoising.key_value_pool import KeyValuePool
from tasks.engines.acestep.denoising.pack import Pack
from tasks.engines.acestep.kernels import attention
from tasks.engines.acestep.kernels.packing import Document
from tasks.engines.acestep.network.capacity import Capacity, measure


@dataclass
class TransformerWeights:
    """One set of the transformer's weights: the checkpoint's own, or merged with an adapter."""

    dit: PackedDiT
    spare: Document  # where the null condition's keys lie


@dataclass
class Built:
    """Everything that is on the device."""

    model: DeviceModel
    conditioner: Conditioner
    weights: TransformerWeights
    pool: KeyValuePool
    pack: Pack
    decoder: Decoder
    finisher: Finisher
    capacity: Capacity

    def add_weights(self, transformer: Any) -> TransformerWeights:
        """Take another set of weights onto the device."""
        base = self.weights.dit
        dit = PackedDiT(transformer, base.attention, fp8=self.model.fp8, compiled=base.compiled)
        return with_null(dit, self.model, self.pool)


def with_null(dit: PackedDiT, model: DeviceModel, pool: KeyValuePool) -> TransformerWeights:
    """These weights with the keys of the null condition in the pool.

    diffusers repeats the null condition for every row; attention over equal rows is attention over one.

    Raises:
        MemoryError: The pool is full.
    """
    start = pool.take(1)
    if start is None:
        raise MemoryError("the pool of cross keys is full")
    # twice, since code that is compiled for one row is not for more
    dit.write_keys(model.null_condition.expand(2, -1).contiguous(), pool, start)
    return TransformerWeights(dit, Document(0, start, 1))


@torch.inference_mode()
def build(model: DeviceModel, options: Options) -> Built:
    """Pack the weights, size the buffers by measurement, choose kernels.

    In inference mode like every step: code compiled for tensors of the one kind is not for the other.
    """
    cuda = model.device.type == "cuda"
    compiled = options.compiled if options.compiled is not None else cuda
    way = attention.choose(model.device, model.dtype)
    dit = PackedDiT(model.pipe.transformer, way, fp8=model.fp8, compiled=compiled)
    model.forget_layers()
    decoder = choose_decoder(model, options)
    capacity = measure(dit, decoder, options)
    shape = dit.shape
    pool = KeyValuePool(len(dit.layers), capacity.key_rows, shape.key_heads, shape.width, like=dit.weight_in)
    weights = with_null(dit, model, pool)
    return Built(
        model=model,
        conditioner=choose_conditioner(model, options, compiled=compiled),
        weights=weights,
        pool=pool,
        pack=Pack(dit, pool, max(capacity.tokens, capacity.longest), 2 * options.places),
        decoder=decoder,
        finisher=Finisher(model.device),
        capacity=capacity,
    )


def choose_decoder(model: DeviceModel, options: Options) -> Decoder:
    """The fused decoder where its kernels were checked, else diffusers' own."""
    vae = model.pipe.vae
    wanted = options.fused_decoder if options.fused_decoder is not None else fusable(vae)
    return fused_decoder(vae) if wanted else PlainDecoder(vae)


def choose_conditioner(model: DeviceModel, options: Options, *, compiled: bool) -> Conditioner:
    """The packed conditioner on a GPU, else diffusers' own modules, which are as fast on a CPU."""
    if model.device.type == "cuda" and packable(model):
        return PackedConditioner(model, places=options.places, compiled=compiled)
    return Conditioner(model)


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
