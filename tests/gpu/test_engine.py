"""On the GPU a packed song is the song alone, bit for bit, and what diffusers makes, to rounding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AceStepPipeline

from tasks.engines.acestep import AceStepEngine, Options
from tasks.engines.acestep.decoding.decoder import FULL_SCALE, PEAK
from tests.unit.tasks.engines.acestep.songs import LYRICS, alone, song, together
from tests.unit.tasks.engines.acestep.tiny_checkpoint import GPU_HEADS, save


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> dict[str, Path]:
    return {
        name: save(tmp_path_factory.mktemp(name), turbo=name == "turbo", heads=GPU_HEADS)
        for name in ("turbo", "base")
    }


def start(checkpoint: Path, **more) -> AceStepEngine:
    engine = AceStepEngine(Options(model=str(checkpoint), device="cuda", **more))
    engine.load()
    return engine


@pytest.fixture(scope="module")
def engine(checkpoints) -> AceStepEngine:
    return start(checkpoints["turbo"])


SONGS = [
    song(1, lyrics=LYRICS),
    song(2, duration=17.3, steps=5),
    song(3, duration=61.0, steps=2, bpm=88, lyrics=LYRICS * 8),
    song(4, duration=200.0, steps=2, shift=1.0),
    song(5, duration=5.24, steps=1),
]


def error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.float() - wanted.float()).norm() / wanted.float().norm())


def test_packed_is_alone_bit_for_bit(engine):
    for order in (SONGS, SONGS[::-1]):
        for packed, one in zip(together(engine, order), order, strict=True):
            assert torch.equal(packed, alone(engine, one)), one.seed


def test_joining_a_running_pack_changes_no_bit(engine):
    early, late = song(1, steps=4), song(2, duration=121.0, steps=4)
    first = engine.admit(early)
    engine.step([first])
    second = engine.admit(late)
    while waiting := [state for state in (second, first) if not state.done]:
        engine.step(waiting)
    assert torch.equal(first.latents, alone(engine, early))
    assert torch.equal(second.latents, alone(engine, late))


def test_a_neighbours_nan_stays_with_it(engine):
    one, other = song(1), song(2, duration=7.0)
    state, sick = engine.admit(one), engine.admit(other)
    sick.latents.fill_(float("nan"))
    while not state.done:
        engine.step([sick, state])
    assert torch.equal(state.latents, alone(engine, one))


def test_guided_songs_are_the_same_bits_in_a_pack(checkpoints):
    base = start(checkpoints["base"])
    songs = [song(n, guidance_scale=scale, duration=5.0 + n) for n, scale in enumerate((5.0, 1.0, 3.0))]
    for packed, one in zip(together(base, songs), songs, strict=True):
        assert torch.equal(packed, alone(base, one))


def test_diffusers_makes_the_same_to_rounding(engine, checkpoints):
    pipe = AceStepPipeline.from_pretrained(checkpoints["turbo"], dtype=torch.bfloat16).to("cuda")
    pipe.set_progress_bar_config(disable=True)
    exact = AceStepPipeline.from_pretrained(checkpoints["turbo"]).to("cuda")
    exact.set_progress_bar_config(disable=True)

    def call(of: AceStepPipeline) -> torch.Tensor:
        generator = torch.Generator("cpu").manual_seed(7)
        latents = torch.randn(1, 125, 8, generator=generator, dtype=torch.bfloat16)
        ask = {"prompt": song(7).request.prompt, "lyrics": LYRICS, "audio_duration": 5.0}
        latents = latents.to("cuda", of.dtype)
        return of(**ask, num_inference_steps=3, latents=latents, output_type="latent").audios[0]

    wanted = call(exact)
    ours, theirs = error(alone(engine, song(7, lyrics=LYRICS, dcw="off")), wanted), error(call(pipe), wanted)
    assert ours < max(1.5 * theirs, 1e-2)


@pytest.mark.parametrize("more", [{"compiled": False}, {"precision": "fp8"}])
def test_other_ways_agree(engine, checkpoints, more):
    other = start(checkpoints["turbo"], **more)
    assert error(alone(other, SONGS[0]), alone(engine, SONGS[0])) < 5e-2
    for packed, one in zip(together(other, SONGS[:3]), SONGS[:3], strict=True):
        assert torch.equal(packed, alone(other, one))


def test_the_sound_reaches_the_host_and_memory_comes_back(checkpoints):
    before = torch.cuda.memory_allocated()
    engine = start(checkpoints["turbo"])
    state = engine.admit(song(1))
    while not state.done:
        engine.step([state])
    audio = engine.decode(state)
    assert audio.samples.shape == (2, 2_000)
    assert abs(audio.samples).max() == round(PEAK * FULL_SCALE)
    assert all(seconds >= 0 for seconds in audio.timings.values())
    engine.unload()
    assert torch.cuda.memory_allocated() - before < 2**26
