"""One song alone is what diffusers' pipeline makes of the same request and seed.

That is where it does what upstream does. It has no wavelet correction, so that is off here; `test_upstream`
holds against upstream itself.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.unit.tasks.engines.acestep.songs import LYRICS, alone, difference, seeded
from tests.unit.tasks.engines.acestep.songs import song as corrected
from tests.unit.tasks.engines.acestep.tiny_checkpoint import RATE

CLOSE = 1e-5


def song(seed: int, **fields):
    return corrected(seed, **({"dcw": "off"} | fields))


def expected(pipe, one, **more):
    ask = one.request
    arguments = {
        "prompt": ask.prompt,
        "lyrics": ask.lyrics,
        "audio_duration": ask.duration,
        "num_inference_steps": ask.steps,
        "generator": seeded(one.seed),
        "output_type": "latent",
    }
    return pipe(**(arguments | more)).audios[0]


def test_text_to_music(engine, pipe):
    one = song(7, lyrics=LYRICS)
    assert difference(alone(engine, one), expected(pipe, one)) < CLOSE


def test_metadata_language_and_shift_reach_the_network(engine, pipe):
    one = song(3, bpm=97, key_scale="A minor", time_signature="6/8", vocal_language="zh", shift=2.0)
    same = expected(pipe, one, bpm=97, keyscale="A minor", timesignature="6", vocal_language="zh", shift=2.0)
    assert difference(alone(engine, one), same) < CLOSE
    assert difference(alone(engine, song(3)), same) > CLOSE


def test_a_length_that_is_no_whole_patch(engine, pipe):
    one = song(4, duration=5.24)
    latents = alone(engine, one)
    assert len(latents) == 131
    assert difference(latents, expected(pipe, one)) < CLOSE


def test_guidance_of_a_base_checkpoint(base_engine, base_pipe):
    one = song(5, guidance_scale=4.5, steps=4)
    assert (
        difference(alone(base_engine, one), expected(base_pipe, one, guidance_scale=4.5, shift=1.0)) < CLOSE
    )


def test_a_base_checkpoint_without_guidance(base_engine, base_pipe):
    one = song(5, guidance_scale=1.0)
    assert (
        difference(alone(base_engine, one), expected(base_pipe, one, guidance_scale=1.0, shift=1.0)) < CLOSE
    )


def tone(seconds: float, rate: int, pitch: float = 40.0) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (
        np.stack([np.sin(2 * np.pi * pitch * time), np.cos(2 * np.pi * pitch * time)]).astype(np.float32)
        * 0.5
    )


WINDOWED = {"chunk_mask_mode": "explicit", "repaint_mode": "aggressive"}
SOURCE_TASKS = {
    "cover": {},
    # what diffusers does of it: the network is told the window, and nothing is put back to the source
    "repaint": WINDOWED | {"repaint_start": 1.0, "repaint_end": 3.0},
    "extract": {"track": "vocals"},
    "lego": WINDOWED | {"track": "drums", "repaint_start": 2.0},
    "complete": {"track": "drums,bass"},
}
NAMES = {"repaint_start": "repainting_start", "repaint_end": "repainting_end"}


@pytest.mark.parametrize("task", SOURCE_TASKS)
def test_every_task_on_source_audio(base_engine, base_pipe, upload, task):
    engine, pipe = base_engine, base_pipe
    audio = tone(6.0, RATE)
    name = upload(tone(6.0, RATE * 20), RATE * 20)
    fields = SOURCE_TASKS[task]
    one = song(9, task_type=task, source_audio=name, guidance_scale=3.0, **fields)
    state = engine.admit(one)
    heard = state.plan.source
    assert heard.shape == audio.shape
    more = {NAMES.get(key, key): value for key, value in fields.items() if key in NAMES}
    tracks = fields.get("track", "").split(",")
    torch.manual_seed(state.plan.source_seed)
    same = expected(
        pipe,
        one,
        task_type=task,
        guidance_scale=3.0,
        shift=1.0,
        src_audio=heard,
        audio_duration=6.0,
        track_name=tracks[0] or None,
        complete_track_classes=[track for track in tracks if track],
        **more,
    )
    assert difference(alone(engine, one), same) < CLOSE


def test_reference_audio_gives_the_timbre(engine, pipe, upload):
    one = song(11, reference_audio=upload(tone(12.0, RATE * 20), RATE * 20))
    state = engine.admit(one)
    torch.manual_seed(state.plan.source_seed + 1)
    same = expected(pipe, one, reference_audio=state.plan.reference)
    latents = alone(engine, one)
    assert difference(latents, same) < CLOSE
    assert difference(latents, alone(engine, song(11))) > CLOSE


def test_the_sound_is_the_pipelines(engine, pipe):
    one = song(7, duration=5.5)
    state = engine.admit(one)
    while not state.done:
        engine.step([state])
    audio = engine.decode(state)
    same = expected(pipe, one, output_type="pt").numpy()
    assert audio.sample_rate == RATE
    assert audio.samples.shape == (2, round(5.5 * RATE))
    assert np.abs(audio.samples / 32_767 - same[:, : audio.samples.shape[1]]).max() < 1e-4
    assert set(audio.timings) == {"condition", "denoise", "decode"}
