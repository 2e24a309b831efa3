"""An engine under test: how songs for it are asked for, and how they are run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tasks.engines.capabilities import Capabilities
from tasks.engines.engine import Audio, Engine, Samples, Song, State
from tasks.jobs import SECONDS_MIN, JobRequest

STEPS: Final = 4  # denoising steps of a song here, where an engine has such
STEPS_MOST: Final = 100_000  # calls of `step` after which a song is taken to be stuck
FULL_SCALE: Final = 32_767
PROMPTS: Final = ("a calm piano waltz", "fast drums and a deep bass", "slow strings, sad and wide")


class Fault(AssertionError):
    """What an engine does not hold, and what to do about it."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One engine under test.

    Attributes:
        make: Makes the engine anew, not loaded.
        capabilities: What it states that it can be asked.
    """

    make: Callable[[], Engine]
    capabilities: Capabilities

    def loaded(self) -> Engine:
        """A fresh engine, loaded."""
        engine = self.make()
        engine.load()
        return engine

    def song(self, number: int = 0, *, seed: int = 7, **fields: Any) -> Song:
        """A song that this engine can make: of the least length, with few steps."""
        can = self.capabilities
        asked: dict[str, Any] = {"prompt": PROMPTS[number % len(PROMPTS)], "duration": SECONDS_MIN}
        if "steps" in can.fields:
            least, most = can.ranges.get("steps", (1, STEPS))
            asked["steps"] = int(min(max(STEPS, least), most))
        request = JobRequest(**(asked | fields))
        return Song(job_id=f"conformance-{number}", variation=1, seed=seed, request=request)

    @property
    def tolerance(self) -> float:
        """How far two runs' samples may lie apart that differ in company alone, as a share of full scale."""
        torch = sys.modules.get("torch")
        return 0.0 if torch is None or torch.cuda.is_available() else 2 / FULL_SCALE


def run(engine: Engine, songs: Sequence[Song]) -> list[Audio]:
    """Songs that begin together; each is decoded when it is done.

    Raises:
        Fault: One does not come to an end.
    """
    going: dict[int, State] = {number: engine.admit(song) for number, song in enumerate(songs)}
    made: dict[int, Audio] = {}
    for _ in range(STEPS_MOST):
        engine.step(list(going.values()))
        for number in [number for number, state in going.items() if state.done]:
            made[number] = engine.decode(going.pop(number))
        if not going:
            return [made[number] for number in range(len(songs))]
    raise Fault(f"`step` was called {STEPS_MOST} times and a song is still not `done`")


def loudness(samples: Samples) -> npt.NDArray[np.float64]:
    """Samples as shares of full scale."""
    wide = samples.astype(np.float64)
    return wide / FULL_SCALE if samples.dtype == np.int16 else wide


def apart(left: Audio, right: Audio) -> float:
    """The largest difference between two songs' samples, of full scale 1; infinite for unequal lengths."""
    if left.samples.shape != right.samples.shape:
        return float("inf")
    return float(np.abs(loudness(left.samples) - loudness(right.samples)).max())
