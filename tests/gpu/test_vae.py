"""Every kernel of the fused decoder against float32: Triton once computed one of them wrongly in silence."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderOobleck
from torch import Tensor

from bench.full_size import autoencoder
from tasks.engines.acestep.decoding.fused import fused_decoder
from tasks.engines.acestep.decoding.vae_weights import read


@pytest.fixture(scope="module")
def vae() -> AutoencoderOobleck:
    torch.manual_seed(0)
    with torch.device("cuda"):
        return autoencoder().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def network(vae):
    return read(vae.decoder, torch.bfloat16)


@pytest.fixture(autouse=True)
def exact_reference():
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def error(found: Tensor, wanted: Tensor) -> float:
    assert torch.isfinite(found).all()
    return float((found.float() - wanted).norm() / wanted.norm())


def snaked(y: Tensor, snake) -> Tensor:
    return y + snake.inverse_beta * torch.sin(snake.alpha * y) ** 2


def convolved(
    s: Tensor, weight: Tensor, bias: Tensor, taps: int, dilation: int, offset: int, rows: int
) -> Tensor:
    """The kernels' product in float32: row t reads rows t + offset + tap * dilation, zero outside."""
    songs, time, channels = s.shape
    kernel = weight.float().view(taps, channels, -1)
    out = torch.zeros(songs, rows, weight.shape[1], device=s.device)
    for tap in range(taps):
        shift = offset + tap * dilation
        low, high = max(0, -shift), min(rows, time - shift)
        out[:, low:high] += s.float()[:, low + shift : high + shift] @ kernel[tap]
    return out + bias


def random(*size: int) -> Tensor:
    return torch.randn(size, device="cuda").bfloat16()


@pytest.mark.parametrize("channels", [1_024, 512])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_units_of_two_kernels(network, channels, number):
    from tasks.engines.acestep.decoding.vae_layers import Plane, apply_unit

    stage = next(stage for stage in network.stages if stage.up.channels == channels)
    unit, following = stage.units[number], network.stages[0].units[0].before
    following = type(following)(following.alpha[:channels], following.inverse_beta[:channels])
    s, x = random(2, 333, channels), random(2, 333, channels)
    before = x.clone()
    wide = unit.wide
    h = snaked(convolved(s, wide.weight, wide.bias, 7, wide.dilation, -3 * wide.dilation, 333), unit.between)
    y = h.bfloat16().float() @ unit.narrow.weight.float() + unit.narrow.bias + before.float()
    found = apply_unit(Plane.of(s), Plane.of(x), unit, following, keep_x=True).view()
    assert error(x, y) < 1e-2
    assert error(found, snaked(y, following)) < 1e-2


@pytest.mark.parametrize("channels", [256, 128])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_units_of_one_kernel(network, channels, number):
    from tasks.engines.acestep.decoding.vae_layers import Plane, apply_unit

    stage = next(stage for stage in network.stages if stage.up.channels == channels)
    unit, following = stage.units[number], stage.units[0].before
    s, x = random(2, 1_001, channels), random(2, 1_001, channels)
    before = x.clone()
    wide = unit.wide
    h = snaked(
        convolved(s, wide.weight, wide.bias, 7, wide.dilation, -3 * wide.dilation, 1_001), unit.between
    )
    y = h.bfloat16().float() @ unit.narrow.weight.float() + unit.narrow.bias + before.float()
    found = apply_unit(Plane.of(s), Plane.of(x), unit, following, keep_x=True).view()
    assert error(x, y) < 1e-2
    assert error(found, snaked(y, following)) < 1e-2


def test_the_last_unit_and_the_final_taps(network):
    from tasks.engines.acestep.decoding.vae_layers import Plane, apply_last_unit, sum_taps

    unit, last = network.stages[-1].units[2], network.last_snake
    s, x = random(2, 1_001, 128), random(2, 1_001, 128)
    wide = unit.wide
    h = snaked(
        convolved(s, wide.weight, wide.bias, 7, wide.dilation, -3 * wide.dilation, 1_001), unit.between
    )
    y = h.bfloat16().float() @ unit.narrow.weight.float() + unit.narrow.bias + x.float()
    wanted = snaked(y, last).bfloat16().float() @ network.last.float()[:, :16]
    taps = apply_last_unit(Plane.of(s), Plane.of(x), unit, last, network.last)
    assert error(taps[..., :14], wanted[..., :14]) < 1e-2
    wave = torch.zeros(2, 2, 1_001, device="cuda")
    for tap in range(7):
        shift = tap - 3
        low, high = max(0, -shift), min(1_001, 1_001 - shift)
        wave[:, :, low:high] += taps[:, low + shift : high + shift, 2 * tap : 2 * tap + 2].transpose(1, 2)
    assert error(sum_taps(taps), wave) < 1e-6


@pytest.mark.parametrize("stage", range(5))
def test_upsampling(network, stage):
    from tasks.engines.acestep.decoding.vae_layers import Plane, upsample

    found = network.stages[stage]
    up, following = found.up, found.units[0].before
    channels = up.weight.shape[0] // 2
    s = random(2, 77, channels)
    x, out = upsample(Plane.of(s), up, following)
    whole = convolved(s, up.weight, up.bias, 2, 1, -1, 78).view(2, -1, up.channels)
    wanted = whole[:, up.padding : up.padding + 77 * up.stride]
    assert error(x.view(), wanted) < 1e-2
    assert error(out.view(), snaked(wanted, following)) < 1e-2


def test_the_whole_decoder_against_diffusers(vae, network):
    from tasks.engines.acestep.decoding.vae_layers import decode

    latents = random(2, 250, 64)
    wanted = vae.decoder(latents.float().transpose(1, 2))
    assert error(decode(network, latents), wanted) < 3e-2


def test_batches_windows_and_repeats_are_the_same_bits(vae, network):
    decoder = fused_decoder(vae, core=375)
    from tasks.engines.acestep.decoding.vae_layers import decode

    songs = [random(length, 64) for length in (1_500, 250, 393, 130, 250, 1_111)]
    together = dict(decoder(songs))
    for number, song in enumerate(songs):
        wave = together[number]
        whole = decode(network, song[None])[0]
        assert wave.shape == (2, len(song) * 1_920)
        assert torch.equal(wave, whole)
        assert torch.equal(dict(decoder([song]))[0], whole)
