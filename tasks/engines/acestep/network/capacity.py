"""How much fits: measured once a load, so that no song has to find out by running out of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tasks.engines.acestep.checkpoint.options import Options
from tasks.engines.acestep.decoding.decoder import WINDOW, Decoder
from tasks.engines.acestep.decoding.fused import CORE
from tasks.engines.acestep.denoising.dit import PackedDiT
from tasks.engines.acestep.denoising.key_value_pool import ROWS, KeyValuePool
from tasks.engines.acestep.kernels.packing import BUCKET, Document, Tables

PROBE = 2_048  # tokens of the pack that is measured
DECODES = CORE / WINDOW  # of the measured windows in the largest batch that is decoded at once
SPARE = 0.8  # share of the free memory that is counted on; the rest is the allocator's slack
KEY_SHARE = 0.2
KEY_ROWS, HOST_KEY_ROWS = 32_768, 8_192  # 64 songs with long lyrics; and what a CPU has time for


@dataclass(frozen=True)
class Capacity:
    """What the device holds at once.

    Attributes:
        tokens: Tokens that a pack is filled up to.
        longest: Tokens of the largest song, which a pack may hold alone.
        key_rows: Rows of cross keys.
        free: Bytes that were free when this was measured; 0 where nothing was.
        bytes_a_token: What a token of a pack was measured to take.
        decode_bytes: What decoding one window was measured to take.
    """

    tokens: int
    longest: int
    key_rows: int
    free: int = 0
    bytes_a_token: float = 0.0
    decode_bytes: int = 0


def measure(dit: PackedDiT, decoder: Decoder, options: Options) -> Capacity:
    """Size packs and pool for this device, by running one pack and one window of decoding."""
    if dit.device.type != "cuda":
        return Capacity(options.tokens, options.longest, HOST_KEY_ROWS)
    window = torch.randn(WINDOW, dit.channels, device=dit.device, dtype=dit.dtype)
    decode = _peak(lambda: list(decoder([window])))
    _probe(dit)  # compiling takes memory of its own
    token = _peak(lambda: _probe(dit)) / PROBE
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(dit.device)
    row = 2 * len(dit.layers) * dit.shape.key_heads * dit.shape.width * dit.weight_in.itemsize
    key_rows = min(KEY_ROWS, int(free * KEY_SHARE / row)) // ROWS * ROWS
    left = free * SPARE - key_rows * row - DECODES * decode
    longest = min(options.longest, int(left / token)) // BUCKET * BUCKET
    if longest < BUCKET or key_rows <= ROWS:
        raise MemoryError(
            f"only {free / 2**30:.1f} GiB are free on the device beside the model; use a larger one"
        )
    return Capacity(min(options.tokens, longest), longest, key_rows, free, token, decode)


def _peak(run: Any) -> int:
    """Bytes that running this takes beyond what is there."""
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


@torch.inference_mode()
def _probe(dit: PackedDiT) -> None:
    def zeros(*size: int) -> Tensor:
        return torch.zeros(size, device=dit.device, dtype=dit.dtype)

    pool = KeyValuePool(len(dit.layers), ROWS, dit.shape.key_heads, dit.shape.width, like=dit.weight_in)
    tables = Tables(PROBE, 1, dit.patch, dit.device, spans=dit.attention.needs_spans)
    rows = PROBE * dit.patch
    index = tables.fill([Document(PROBE, 0, ROWS)], [rows], Document(0, 0, 1))
    x, context = zeros(rows, dit.channels).normal_(), zeros(rows, 2 * dit.channels).normal_()
    dit.velocity(x, context, zeros(2, 6, dit.hidden), zeros(2, dit.hidden), index, pool)
