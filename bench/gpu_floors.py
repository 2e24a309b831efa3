"""What the chip could do at best: its measured rates, and the arithmetic and bytes that a song needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from tasks.engines.acestep import AceStepEngine
from tasks.engines.acestep.kernels.layers import Fp8, quantise

STAGES = ((10, 1_024), (6, 512), (4, 256), (4, 128), (2, 128))  # the decoder's strides and channels


class Rates(NamedTuple):
    """Multiplications and additions a second in bf16 and fp8, and bytes a second that a copy moves."""

    flops: float
    fp8: float
    copied: float


def timed(run: Callable[[], object], count: int) -> float:
    for _ in range(3):
        run()
    first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    first.record()
    for _ in range(count):
        run()
    last.record()
    last.synchronize()
    return first.elapsed_time(last) / 1e3 / count


def ceilings() -> Rates:
    """Measured now, on this card, sustained and on random numbers."""
    a, b = (torch.randn(8_192, 8_192, device="cuda").bfloat16() for _ in range(2))
    source = torch.randn(2**29, device="cuda").bfloat16()
    target = torch.empty_like(source)
    copy = timed(lambda: target.copy_(source), 20)
    fp8 = quantise(a), quantise(b)
    scales = {"scale_a": fp8[0].scale, "scale_b": fp8[1].scale.t(), "out_dtype": torch.bfloat16}
    product = timed(
        lambda: torch._scaled_mm(fp8[0].data, fp8[1].data.t(), use_fast_accum=True, **scales), 200
    )
    flops = 2 * 8_192**3
    return Rates(flops / timed(lambda: a @ b, 200), flops / product, 2 * source.nbytes / copy)


def network_seconds(engine: AceStepEngine, seconds: float, condition: int, rates: Rates) -> float:
    """Of one denoising step of one song, by arithmetic; attention is in bf16 whatever the weights are."""
    dit = engine.built.weights.dit
    hidden, shape, down = dit.hidden, dit.shape, dit.layers[0].down
    wide, narrow = shape.heads * shape.width, shape.key_heads * shape.width
    inner = (down.data if isinstance(down, tuple) else down).shape[1]
    tokens = -(-round(seconds * 25) // 2)
    weights = hidden * (wide + 2 * narrow) + wide * hidden + 2 * hidden * wide + 3 * hidden * inner
    near = [tokens if window < 0 else min(tokens, 2 * window + 1) for window in dit.windows]
    products = len(dit.layers) * 2 * tokens * weights
    attention = sum(4 * wide * tokens * (n + condition) for n in near)
    fp8 = isinstance(dit.layers[0].down, Fp8)
    return products / (rates.fp8 if fp8 else rates.flops) + attention / rates.flops


def decoder_flops(seconds: float) -> float:
    rows, channels = seconds * 25.0, 2_048
    total = 2 * rows * 7 * 64 * channels
    for stride, out in STAGES:
        total += 2 * rows * 2 * channels * stride * out
        rows, channels = rows * stride, out
        total += 3 * 2 * rows * 8 * channels * channels
    return total + 2 * rows * 7 * channels * 2


def decoder_bytes(seconds: float) -> float:
    """Of activations, if every kernel reads its two inputs and writes its two outputs once, in bf16."""
    rows, total = seconds * 25.0, 0.0
    for stride, channels in STAGES:
        rows *= stride
        total += 2 * rows * channels * (2 + 3 * 4)
    return total


def weight_bytes(engine: AceStepEngine) -> float:
    """Of the network's layers, read once a step however many songs share it."""
    parts = [part for layer in engine.built.weights.dit.layers for part in layer]
    flat = [tensor for part in parts for tensor in (part if isinstance(part, tuple) else (part,))]
    return float(sum(tensor.nbytes for tensor in flat))
