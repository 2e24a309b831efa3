"""On a GPU that is really full, the song that does not fit fails, and no neighbour notices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tasks.engines.acestep import AceStepEngine, Options
from tasks.jobs import ErrorClass
from tasks.worker.messages import Broke, Made, Make
from tasks.worker.scheduler import Scheduler
from tests.unit.tasks.engines.acestep.songs import song
from tests.unit.tasks.engines.acestep.tiny_checkpoint import GPU_HEADS, save

SHORT = [song(n, duration=5.0 + n) for n in range(4)]
LONG = song(9, duration=590.0)


@pytest.fixture(params=[True, False], ids=["recorded", "eager"])
def engine(request, tmp_path) -> AceStepEngine:
    checkpoint = save(tmp_path / "model", turbo=True, heads=GPU_HEADS)
    engine = AceStepEngine(Options(model=str(checkpoint), device="cuda", compiled=request.param))
    engine.load()
    return engine


@pytest.fixture
def full() -> Iterator[object]:
    """Leaves the process only so many bytes more than it has."""

    def leave(more: float) -> None:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        _, total = torch.cuda.mem_get_info()
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + more) / total)

    yield leave
    torch.cuda.set_per_process_memory_fraction(1.0)


def made(engine: AceStepEngine, songs: list) -> dict[int, object]:
    """What the worker's scheduler says of each song in the end, by seed."""
    scheduler, said = Scheduler(engine), {}
    for number, one in enumerate(songs):
        scheduler.add(Make(order=number, song=one))
    while not scheduler.idle:
        for event in scheduler.advance():
            if isinstance(event, (Made, Broke)):
                said[songs[event.order].seed] = event
    return said


def test_only_the_song_that_does_not_fit_fails(engine, full):
    wanted = made(engine, SHORT)
    full(engine.built.capacity.bytes_a_token * 1_500)
    said = made(engine, [*SHORT[:2], LONG, *SHORT[2:]])
    assert isinstance(said[LONG.seed], Broke)
    assert said[LONG.seed].error_class is ErrorClass.OUT_OF_MEMORY
    for one in SHORT:
        np.testing.assert_array_equal(said[one.seed].audio.samples, wanted[one.seed].audio.samples)


def test_the_same_songs_all_fit_with_more_memory(engine, full):
    full(2**32)
    said = made(engine, [*SHORT, LONG])
    assert all(isinstance(event, Made) for event in said.values())
