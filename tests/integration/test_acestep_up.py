"""ACE-Step from the API to the file, in a whole Tutti, with a small random checkpoint on the CPU."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import soundfile

from tests.servers import tutti as server
from tests.servers.tutti import Tutti
from tests.unit.tasks.engines.acestep.tiny_checkpoint import RATE, save


@pytest.fixture(scope="module")
def tutti(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutti]:
    checkpoint = save(tmp_path_factory.mktemp("checkpoint"))
    folder = tmp_path_factory.mktemp("up") / "var"
    with server.running(folder, engine="acestep", model=str(checkpoint), nginx=False) as running:
        yield running


def finished(tutti: Tutti, **fields: object) -> tuple[dict, np.ndarray]:
    """A job's answer and its first file's samples [frames, 2]."""
    job = tutti.wait(tutti.submit("slow strings in the rain", **fields)["id"])
    assert job["state"] == "succeeded", job
    sound, rate = soundfile.read(io.BytesIO(httpx.get(tutti.url + job["outputs"][0]["url"]).content))
    assert rate == RATE
    return job, sound


def test_songs_variations_and_seeds(tutti):
    job, sound = finished(tutti, seed=5, steps=2, variations=2, duration=6)
    assert len(job["outputs"]) == 2
    assert sound.shape == (6 * RATE, 2)
    assert 0.85 < np.abs(sound).max() < 0.9
    _, again = finished(tutti, seed=5, steps=2, duration=6)
    _, other = finished(tutti, seed=6, steps=2, duration=6)
    assert np.array_equal(again, sound)
    assert not np.array_equal(other, sound)


def test_an_upload_becomes_a_cover_of_its_length(tutti):
    data = io.BytesIO()
    time = np.arange(7 * 8_000) / 8_000
    soundfile.write(data, np.sin(2 * np.pi * 50 * time) * 0.5, 8_000, format="FLAC")
    answer = httpx.post(
        f"{tutti.url}/v1/uploads", content=data.getvalue(), headers={"content-type": "audio/flac"}
    )
    assert answer.status_code == 201, answer.text
    _, sound = finished(tutti, task_type="cover", source_audio=answer.json()["id"], steps=2)
    assert sound.shape == (7 * RATE, 2)


def test_an_unknown_adapter_fails_with_what_to_do(tutti):
    job = tutti.wait(tutti.submit("slow strings in the rain", lora="nobody")["id"])
    assert job["state"] == "failed"
    assert job["error"]["class"] == "invalid_request"
    assert "no adapter named nobody" in job["error"]["detail"]
