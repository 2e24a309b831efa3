"""Requests, and ways to run them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tasks.engines.acestep import AceStepEngine
from tasks.engines.engine import Song
from tasks.jobs import JobRequest

LYRICS = "[verse]\nSoft notes in the morning light\n[chorus]\nMusic fills the air tonight"


def song(seed: int = 1, job: str = "", variation: int = 1, **fields: Any) -> Song:
    request = JobRequest(
        **({"prompt": f"A bright piano melody number {seed}", "duration": 5.0, "steps": 3} | fields)
    )
    return Song(job_id=job or f"job-{seed}", variation=variation, seed=seed, request=request)


def alone(engine: AceStepEngine, one: Song) -> Tensor:
    """The latents of a song that has the device for itself."""
    return together(engine, [one])[0]


def together(engine: AceStepEngine, songs: list[Song]) -> list[Tensor]:
    """The latents of songs that start together."""
    states = [engine.admit(one) for one in songs]
    while waiting := [state for state in states if not state.done]:
        engine.step(waiting)
    return [state.latents.clone() for state in states]


def difference(left: Tensor, right: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return float((left - right).abs().max() / right.abs().max())


def seeded(seed: int) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)
