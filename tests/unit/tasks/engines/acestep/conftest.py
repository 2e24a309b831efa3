from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from diffusers import AceStepPipeline

from tasks.engines.acestep import AceStepEngine, Options
from tests.unit.tasks.engines.acestep.tiny_checkpoint import save


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Side by side with other tests, more threads only get in each other's way; and fewer round alike."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def turbo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("turbo"), turbo=True)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("base"), turbo=False)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where uploads and adapters lie."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def engine(turbo: Path, folder: Path) -> AceStepEngine:
    return start(turbo, folder)


@pytest.fixture(scope="session")
def base_engine(base: Path, folder: Path) -> AceStepEngine:
    return start(base, folder)


@pytest.fixture(scope="session")
def pipe(turbo: Path) -> AceStepPipeline:
    return reference(turbo)


@pytest.fixture(scope="session")
def base_pipe(base: Path) -> AceStepPipeline:
    return reference(base)


@pytest.fixture
def upload(folder: Path) -> Callable[..., str]:
    """Write samples [2, frames] as an upload and return its name."""

    def write(samples: np.ndarray, rate: int, file_format: str = "WAV", subtype: str = "FLOAT") -> str:
        data = io.BytesIO()
        soundfile.write(data, samples.T, rate, format=file_format, subtype=subtype)
        name = hashlib.sha256(data.getvalue()).hexdigest()
        (folder / "upload").mkdir(exist_ok=True)
        (folder / "upload" / name).write_bytes(data.getvalue())
        return name

    return write


def start(checkpoint: Path, folder: Path, **more) -> AceStepEngine:
    options = Options(
        model=str(checkpoint), device="cpu", uploads=folder / "upload", loras=folder / "lora", **more
    )
    engine = AceStepEngine(options)
    engine.load()
    return engine


def reference(checkpoint: Path) -> AceStepPipeline:
    pipe = AceStepPipeline.from_pretrained(checkpoint)
    pipe.set_progress_bar_config(disable=True)
    return pipe
