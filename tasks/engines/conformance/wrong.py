"""Requests that an engine has to refuse, found from what it states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic import ValidationError

from tasks.engines.capabilities import COMMON
from tasks.engines.conformance.bench import Bench
from tasks.jobs import SECONDS_MAX

UPLOAD: Final = "0" * 64

VALUES: Final[dict[str, Any]] = {
    "bpm": 120,
    "key_scale": "A minor",
    "time_signature": "3/4",
    "vocal_language": "en",
    "reference_audio": UPLOAD,
    "audio_codes": tuple(range(25)),
    "steps": 4,
    "guidance_scale": 3.0,
    "guidance_mode": "apg",
    "cfg_interval_start": 0.1,
    "cfg_interval_end": 0.9,
    "shift": 2.0,
    "timesteps": (1.0, 0.5),
    "sampler": "heun",
    "infer_method": "sde",
    "dcw": "low",
    "velocity_norm_threshold": 1.0,
    "velocity_ema_factor": 0.1,
    "latent_shift": 0.1,
    "latent_rescale": 1.1,
    "retake_variance": 0.2,
    "lora": "none",
    "global_caption": "a song",
}
"""A value of each field that a request for a new song may carry, other than what it has when left out."""


def wrong(bench: Bench) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is wrong, and the fields of a request that has it."""
    can = bench.capabilities
    for task in ("cover", "extract", "repaint", "lego", "complete"):
        if task not in can.tasks:
            yield f"task_type {task}", {"task_type": task, "source_audio": UPLOAD}
    if can.longest < SECONDS_MAX:
        yield "duration", {"duration": min(can.longest + 1, SECONDS_MAX)}
    for name, value in VALUES.items():
        if name not in can.fields and name not in COMMON:
            yield name, {name: value} | ({"steps": None} if name == "timesteps" else {})  # one or the other
    for name, (least, most) in can.ranges.items():
        for beyond in (least - 1, most + 1):
            if _possible(bench, name, beyond):
                yield f"{name} {beyond:g}", {name: beyond}
    if can.languages is not None and "vocal_language" in can.fields:
        yield "vocal_language", {"vocal_language": "xx"}


def _possible(bench: Bench, name: str, value: float) -> bool:
    try:
        fields: dict[str, Any] = {name: int(value) if value == int(value) else value}
        bench.song(**fields)
    except ValidationError:
        return False  # no request can carry it
    return True
