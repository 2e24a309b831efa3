"""Who is in the batch: admits songs, advances all of them step by step, takes out those that are done.

It calls the engine from one thread and knows neither pipes nor clocks; `advance` is one step of everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tasks.engines.engine import Engine, Song, State
from tasks.jobs import ErrorClass, JobError
from tasks.worker.messages import Broke, Joined, Left, Made, Make, Moved

LOOK_AHEAD = 8  # songs behind a long one that may go before it, if they fit where it does not
PATIENCE = 16  # times a song lets others go first; then the batch empties until it fits

Event = Joined | Moved | Made | Broke | Left


class EngineBroken(Exception):
    """The engine failed in a way that leaves the device in doubt: the process has to end."""


@dataclass(kw_only=True)
class ScheduledSong:
    """One song, waiting or in the batch."""

    order: int
    song: Song
    alone: bool
    passed: int = 0
    state: State | None = None
    batch: int = 0
    share: float = -1.0


class Scheduler:
    """The songs of one engine."""

    def __init__(self, engine: Engine, *, limit: int = 0) -> None:
        self._engine = engine
        self._limit = limit
        self._waiting: list[ScheduledSong] = []
        self._batch: list[ScheduledSong] = []
        self._gone = False  # whether a song left that the engine has not been told of

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do until another song comes."""
        return not (self._waiting or self._batch or self._gone)

    def add(self, asked: Make) -> None:
        """Put a song in line."""
        self._waiting.append(ScheduledSong(order=asked.order, song=asked.song, alone=asked.alone))

    def leave(self, order: int) -> Left:
        """Take an order's songs out, whether they wait or are in the batch."""
        before = len(self._batch)
        self._waiting = [entry for entry in self._waiting if entry.order != order]
        self._batch = [entry for entry in self._batch if entry.order != order]
        self._gone = self._gone or len(self._batch) < before
        return Left(order=order)

    def advance(self) -> Iterator[Event]:
        """Admit who fits, take one step, and yield what came of it, as it comes.

        Raises:
            EngineBroken: Songs that were in the batch are lost with the engine.
        """
        yield from self._admit()
        if self._batch or self._gone:
            yield from self._step()
        yield from self._finish()

    def _admit(self) -> Iterator[Event]:
        passed: list[ScheduledSong] = []
        for entry in self._waiting[: LOOK_AHEAD + 1]:
            if self._fits(entry):
                self._waiting.remove(entry)
                for earlier in passed:
                    earlier.passed += 1
                yield from self._join(entry)
            elif entry.alone or entry.passed >= PATIENCE:
                return
            else:
                passed.append(entry)

    def _fits(self, entry: ScheduledSong) -> bool:
        if not self._batch:
            return True
        if entry.alone or any(member.alone and member.order != entry.order for member in self._batch):
            return self._same_run(entry) and self._room(entry)
        return self._room(entry)

    def _same_run(self, entry: ScheduledSong) -> bool:
        """A job's own variations are no strangers to it."""
        return all(member.order == entry.order for member in self._batch)

    def _room(self, entry: ScheduledSong) -> bool:
        if self._limit and len(self._batch) >= self._limit:
            return False
        return self._engine.fits(self._states(), entry.song)

    def _join(self, entry: ScheduledSong) -> Iterator[Event]:
        yield Joined(order=entry.order, variation=entry.song.variation)  # before: `admit` may bring all down
        try:
            entry.state = self._engine.admit(entry.song)
        except MemoryError as error:
            yield from self._out_of_memory(entry, error)
        except JobError as error:
            yield _broke(entry, error.error_class, error.detail)
        except Exception as error:
            yield _broke(entry, ErrorClass.INTERNAL, f"the engine cannot begin this song ({_words(error)})")
        else:
            self._batch.append(entry)

    def _step(self) -> Iterator[Event]:
        self._gone = False
        for entry in self._batch:
            entry.batch = max(entry.batch, len(self._batch))
        try:
            self._engine.step(self._states())
        except MemoryError as error:
            yield from self._out_of_memory(self._to_blame(error), error)
        except Exception as error:
            yield from self._failed(self._batch[-1], error)
        else:
            yield from self._progress()

    def _to_blame(self, error: MemoryError) -> ScheduledSong:
        """The song the engine names, else the last that joined."""
        named = getattr(error, "song", None)
        return next((entry for entry in self._batch if entry.song is named), self._batch[-1])

    def _out_of_memory(self, entry: ScheduledSong, error: MemoryError) -> Iterator[Event]:
        """Try the song once alone; its neighbours go on."""
        if entry in self._batch:
            self._batch.remove(entry)
            self._gone = True
        if entry.alone:
            yield _broke(
                entry, ErrorClass.OUT_OF_MEMORY, f"{error or 'no memory left'}; ask for a shorter song"
            )
            return
        self._waiting.insert(0, ScheduledSong(order=entry.order, song=entry.song, alone=True))

    def _failed(self, entry: ScheduledSong, error: Exception) -> Iterator[Event]:
        """Deal with an error while songs are made: in company nobody can say whose it was.

        Raises:
            EngineBroken: For a clean device; but not after a `JobError` of a song that was alone.
        """
        if len({member.order for member in self._batch}) != 1:
            raise EngineBroken(_words(error)) from error
        self._batch.remove(entry)
        self._gone = True
        if isinstance(error, JobError):
            yield _broke(entry, error.error_class, error.detail)
            return
        yield _broke(entry, ErrorClass.INTERNAL, f"the engine failed ({_words(error)})")
        raise EngineBroken(_words(error)) from error

    def _progress(self) -> Iterator[Event]:
        for entry in self._batch:
            state = entry.state
            if state is not None and state.progress != entry.share:
                entry.share = state.progress
                stage = getattr(state, "stage", None)
                yield Moved(
                    order=entry.order,
                    variation=entry.song.variation,
                    share=entry.share,
                    stage=stage,
                )

    def _finish(self) -> Iterator[Event]:
        for entry in [entry for entry in self._batch if entry.state is not None and entry.state.done]:
            assert entry.state is not None  # noqa: S101 - for the type checker
            try:
                audio = self._engine.decode(entry.state)
            except MemoryError as error:
                yield from self._out_of_memory(entry, error)
            except Exception as error:
                yield from self._failed(entry, error)
            else:
                self._batch.remove(entry)
                song = entry.song
                yield Made(
                    order=entry.order,
                    variation=song.variation,
                    seed=song.seed,
                    audio=audio,
                    batch=entry.batch,
                )

    def _states(self) -> list[State]:
        return [entry.state for entry in self._batch if entry.state is not None]


def _broke(entry: ScheduledSong, error_class: ErrorClass, detail: str) -> Broke:
    return Broke(order=entry.order, variation=entry.song.variation, error_class=error_class, detail=detail)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
