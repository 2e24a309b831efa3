"""The contract between the worker and whatever makes audio.

An engine lives in one child process that owns the device. The worker's scheduler calls it from a single
thread, so an engine needs no locks. A batching engine implements `Engine`; one that makes a song in a
single go implements `SimpleEngine` and is adapted by `tasks.engines.simple.Stepwise`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from tasks.jobs import JobRequest

if TYPE_CHECKING:  # the web app knows the contract and needs no numbers
    import numpy as np
    import numpy.typing as npt

Samples: TypeAlias = "npt.NDArray[np.float32] | npt.NDArray[np.int16]"
"""Audio as [channels, frames]: float32 in -1..1, or int16 of full scale 32,767."""

Progress = Callable[[float, str], None]
"""Called with the share done (0..1) and what is being done, in words. It may raise to stop the run."""


@dataclass(frozen=True, kw_only=True)
class Song:
    """One variation of one job, which is what an engine makes at a time."""

    job_id: str
    variation: int  # 1-based
    seed: int
    request: JobRequest


@dataclass(frozen=True, kw_only=True)
class Audio:
    """A finished song: `samples` is [channels, frames]; `midi` is the score's bytes where there is one."""

    samples: Samples
    sample_rate: int
    midi: bytes | None = None
    timings: dict[str, float] = field(default_factory=dict)  # seconds by stage: condition, denoise, decode
    notes: tuple[str, ...] = ()  # what the person should know, such as that the prompt was shortened


class State(Protocol):
    """One song on its way. The scheduler only looks at these three."""

    @property
    def song(self) -> Song:
        """What is being made."""

    @property
    def done(self) -> bool:
        """Whether every step is taken, so that `decode` may be called."""

    @property
    def progress(self) -> float:
        """Share of the steps taken, 0..1."""


@runtime_checkable
class Engine(Protocol):
    """Makes many songs at once, step by step."""

    name: str
    version: str

    def load(self) -> None:
        """Bring the model onto the device. Called once, before anything else."""

    def admit(self, song: Song) -> State:
        """Prepare one song: encode its prompt, draw its noise. Raises `JobError` if it cannot."""

    def fits(self, states: Sequence[State], song: Song) -> bool:
        """Whether `song` can join `states` within the device's memory."""

    def step(self, states: Sequence[State]) -> None:
        """Advance these songs by one step; an engine may let some wait a turn, as their `progress` says.

        Raises:
            EngineOutOfMemory: One does not fit; its neighbours may have advanced, as their `progress` says.
        """

    def decode(self, state: State) -> Audio:
        """Turn a song that is `done` into audio, and forget it."""

    def unload(self) -> None:
        """Free the device."""


@runtime_checkable
class SimpleEngine(Protocol):
    """Makes one song in one call; the whole contract is `load` and `generate`.

    Example:
        class Beep:
            name, version = "beep", "1"

            def load(self) -> None: ...
            def generate(self, song: Song, progress: Progress) -> Audio:
                frames = round(song.request.duration * 48_000)
                return Audio(samples=np.zeros((2, frames), np.float32), sample_rate=48_000)
    """

    name: str
    version: str

    def load(self) -> None:
        """Get ready: read fonts, models. Called once, before anything else."""

    def generate(self, song: Song, progress: Progress) -> Audio:
        """Make one song, calling `progress` often: it is also where a cancelled song stops."""


class EngineOutOfMemory(MemoryError):
    """The device has no room for a song; alone it may have. `song` names it where `step` raises this."""

    def __init__(self, detail: str, *, song: Song | None = None) -> None:
        super().__init__(detail)
        self.song = song
