"""The decoder's weights as the kernels read them, multiplied out in plain torch: the sound is diffusers'."""

from __future__ import annotations

import torch
from torch import Tensor

from tasks.engines.acestep.decoding.vae_weights import Snake, read
from tests.unit.tasks.engines.acestep.conftest import reference
from tests.unit.tasks.engines.acestep.songs import difference


def product(
    s: Tensor, weight: Tensor, bias: Tensor, taps: int, offset: int, dilation: int, rows: int
) -> Tensor:
    """What `vae_layers.convolve` computes: row t reads rows t + offset + tap * dilation, zero outside."""
    time, channels = s.shape
    kernel = weight.view(taps, channels, -1)
    out = torch.zeros(rows, weight.shape[1])
    for tap in range(taps):
        shift = offset + tap * dilation
        low, high = max(0, -shift), min(rows, time - shift)
        out[low:high] += s[low + shift : high + shift] @ kernel[tap]
    return out + bias


def snaked(y: Tensor, snake: Snake) -> Tensor:
    return y + snake.inverse_beta * torch.sin(snake.alpha * y) ** 2


def test_multiplied_out_they_are_the_decoder(turbo):
    # freshly loaded, as the engine reads it: nothing has run yet that would fold the weight norm
    decoder = reference(turbo).vae.decoder
    network = read(decoder, torch.float32)
    latents = torch.randn(37, 8)
    first = network.first
    x = product(latents, first.weight, first.bias, 7, -3, 1, 37)
    for stage in network.stages:
        up, time = stage.up, len(x)
        flat = product(snaked(x, stage.before), up.weight, up.bias, 2, -1, 1, time + 1)
        x = flat.view(-1, up.channels)[up.padding : up.padding + time * up.stride]
        for unit in stage.units:
            wide, narrow, far = unit.wide, unit.narrow, unit.wide.dilation
            h = product(snaked(x, unit.before), wide.weight, wide.bias, 7, -3 * far, far, len(x))
            x = x + product(snaked(h, unit.between), narrow.weight, narrow.bias, 1, 0, 1, len(x))
    taps = snaked(x, network.last_snake) @ network.last
    wave = torch.zeros(2, len(x))
    for tap in range(7):
        shift = tap - 3
        low, high = max(0, -shift), min(len(x), len(x) - shift)
        wave[:, low:high] += taps[low + shift : high + shift, 2 * tap : 2 * tap + 2].T
    with torch.no_grad():
        wanted = decoder(latents.T[None])[0]
    assert wave.shape == wanted.shape
    assert difference(wave, wanted) < 1e-5
