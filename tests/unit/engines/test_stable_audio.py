"""Stable Audio Open: the same as diffusers' pipeline, alone and in company, and by the conformance suite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableAudioPipeline

from tasks.engines import load_engine, model_of
from tasks.engines.conformance.bench import run
from tasks.engines.engine import Song
from tasks.jobs import JobRequest
from tasks.settings import Settings
from tests.unit.engines.tiny_stable_audio import LONGEST, RATE, save
from tests.unit.tasks.engines.test_conformance import assert_passes

ASKED = [
    {"prompt": "hammer on an anvil", "duration": 5.0, "steps": 3},
    {"prompt": "rain on a tin roof", "duration": 8.0, "steps": 5, "guidance_scale": 3.0},
    {"prompt": "a drum far away", "duration": 6.0, "steps": 4, "guidance_scale": 1.0},
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("stable-audio"))


def songs() -> list[Song]:
    return [
        Song(job_id=f"job-{seed}", variation=1, seed=seed, request=JobRequest(**asked))
        for seed, asked in enumerate(ASKED)
    ]


def test_songs_together_are_those_of_diffusers_one_by_one(model: Path) -> None:
    engine = load_engine(Settings(engine="stable-audio", model=str(model)))
    engine.load()
    made = run(engine, songs())
    pipe = StableAudioPipeline.from_pretrained(model)
    for song, audio in zip(songs(), made, strict=True):
        request = song.request
        wanted = pipe(
            request.prompt,
            audio_end_in_s=request.duration,
            num_inference_steps=request.steps,
            guidance_scale=7.0 if request.guidance_scale is None else request.guidance_scale,
            generator=torch.Generator("cpu").manual_seed(song.seed),
            output_type="np",
        ).audios[0]
        assert audio.samples.shape == (2, round(request.duration * RATE))
        assert np.abs(wanted).max() > 1e-3, "silence would equal anything"
        assert np.abs(audio.samples - np.clip(wanted, -1.0, 1.0)).max() < 1e-5


def test_what_it_can_do_is_read_from_the_checkpoint_without_torch(model: Path) -> None:
    can = model_of(Settings(engine="stable-audio", model=str(model))).capabilities
    assert can is not None
    assert (can.sample_rate, can.longest) == (RATE, LONGEST)
    code = (
        "import sys; from tasks.engines import model_of; from tasks.settings import Settings;"
        "print(model_of(Settings(engine='stable-audio')).version); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_passes_the_conformance_suite(model: Path, tmp_path: Path) -> None:
    assert_passes("stable-audio", tmp_path, model)


def test_the_rest_of_the_house_does_not_know_it() -> None:
    root = Path(__file__).parents[3]
    rooms = ("tasks", "web", "nginx", "observability", "compose")
    texts = [
        file for room in rooms for file in (root / room).rglob("*") if file.suffix in {".py", ".html", ".js"}
    ]
    assert len(texts) > 400
    assert not [
        file for file in texts if "tutti_stable" in (words := file.read_text()) or "stable-audio" in words
    ]
