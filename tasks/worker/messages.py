"""What the worker's host and its engine process say to each other over their pipe.

`order` numbers one stay of a job in the engine process, so that a late word of an earlier stay is not taken
for one about the present.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tasks.engines.engine import Audio, Song
from tasks.jobs import ErrorClass
from tasks.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Host to engine, first of all: what to load."""

    settings: Settings


@dataclass(frozen=True, kw_only=True)
class Make:
    """Host to engine: make this song; `alone`: with no other job's songs beside it."""

    order: int
    song: Song
    alone: bool = False


@dataclass(frozen=True, kw_only=True)
class Leave:
    """Host to engine: stop the songs of this order; answered by `Left`."""

    order: int


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Host to engine: nothing more is to come; free the device and end."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Engine to host: ready, after so many seconds."""

    name: str
    version: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class LoadFailed:
    """Engine to host: the model does not load; the process ends."""

    detail: str


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Engine to host: the song is in the batch from now on."""

    order: int
    variation: int


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Engine to host: how far a song is."""

    order: int
    variation: int
    share: float
    stage: str | None = None


@dataclass(frozen=True, kw_only=True)
class Made:
    """Engine to host: a song is finished. On the pipe the samples follow as a file descriptor."""

    order: int
    variation: int
    seed: int
    audio: Audio
    batch: int = 1  # most songs that were advanced together while this one was in


@dataclass(frozen=True, kw_only=True)
class Broke:
    """Engine to host: a song cannot be made."""

    order: int
    variation: int
    error_class: ErrorClass
    detail: str


@dataclass(frozen=True, kw_only=True)
class Left:
    """Engine to host: no song of this order is in the engine any more."""

    order: int


@dataclass(frozen=True, kw_only=True)
class Died:
    """Made by the host when the engine process is gone: what that means for one order.

    `suspect`: a song of this order was in the batch, and nobody had asked the process to end. `alone`: no
    other job was. `loading`: the model was not yet loaded, so that no job can be to blame.
    """

    suspect: bool
    alone: bool
    loading: bool
    detail: str = field(default="")


ToEngine = Setup | Make | Leave | Stop
FromEngine = Loaded | LoadFailed | Joined | Moved | Made | Broke | Left
