"""Who is in the batch: admits songs, advances all of them step by step, takes out those that are done.

It calls the engine from one thread and knows neither pipes nor clocks; `turn` is one step of everything.
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
class Place:
    """One song, waiting or in the batch."""

    run: int
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
        self._waiting: list[Place] = []
        self._batch: list[Place] = []
        self._gone = False  # whether a song left that the engine has not been told of

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do until another song comes."""
        return not (self._waiting or self._batch or self._gone)

    def add(self, order: Make) -> None:
        """Put a song in line."""
        self._waiting.append(Place(run=order.run, song=order.song, alone=order.alone))

    def leave(self, run: int) -> Left:
        """Take a run's songs out, whether they wait or are in the batch."""
        before = len(self._batch)
        self._waiting = [place for place in self._waiting if place.run != run]
        self._batch = [place for place in self._batch if place.run != run]
        self._gone = self._gone or len(self._batch) < before
        return Left(run=run)

    def turn(self) -> Iterator[Event]:
        """Admit who fits, take one step, and tell what came of it, as it comes.

        Raises:
            EngineBroken: Songs that were in the batch are lost with the engine.
        """
        yield from self._admit()
        if self._batch or self._gone:
            yield from self._step()
        yield from self._finish()

    def _admit(self) -> Iterator[Event]:
        passed: list[Place] = []
        for place in self._waiting[: LOOK_AHEAD + 1]:
            if self._fits(place):
                self._waiting.remove(place)
                for earlier in passed:
                    earlier.passed += 1
                yield from self._join(place)
            elif place.alone or place.passed >= PATIENCE:
                return
            else:
                passed.append(place)

    def _fits(self, place: Place) -> bool:
        if not self._batch:
            return True
        if place.alone or any(member.alone and member.run != place.run for member in self._batch):
            return self._same_run(place) and self._room(place)
        return self._room(place)

    def _same_run(self, place: Place) -> bool:
        """A job's own variations are no strangers to it."""
        return all(member.run == place.run for member in self._batch)

    def _room(self, place: Place) -> bool:
        if self._limit and len(self._batch) >= self._limit:
            return False
        return self._engine.fits(self._states(), place.song)

    def _join(self, place: Place) -> Iterator[Event]:
        yield Joined(run=place.run, variation=place.song.variation)  # before: `admit` may bring all down
        try:
            place.state = self._engine.admit(place.song)
        except MemoryError as error:
            yield from self._out_of_memory(place, error)
        except JobError as error:
            yield _broke(place, error.error_class, error.detail)
        except Exception as error:
            yield _broke(place, ErrorClass.INTERNAL, f"the engine cannot begin this song ({_words(error)})")
        else:
            self._batch.append(place)

    def _step(self) -> Iterator[Event]:
        self._gone = False
        for place in self._batch:
            place.batch = max(place.batch, len(self._batch))
        try:
            self._engine.step(self._states())
        except MemoryError as error:
            yield from self._out_of_memory(self._to_blame(error), error)
        except Exception as error:
            yield from self._failed(self._batch[-1], error)
        else:
            yield from self._progress()

    def _to_blame(self, error: MemoryError) -> Place:
        """The song the engine names, else the last that joined."""
        named = getattr(error, "song", None)
        return next((place for place in self._batch if place.song is named), self._batch[-1])

    def _out_of_memory(self, place: Place, error: MemoryError) -> Iterator[Event]:
        """Try the song once alone; its neighbours go on."""
        if place in self._batch:
            self._batch.remove(place)
            self._gone = True
        if place.alone:
            yield _broke(
                place, ErrorClass.OUT_OF_MEMORY, f"{error or 'no memory left'}; ask for a shorter song"
            )
            return
        self._waiting.insert(0, Place(run=place.run, song=place.song, alone=True))

    def _failed(self, place: Place, error: Exception) -> Iterator[Event]:
        """Deal with an error while songs are made: in company nobody can say whose it was.

        Raises:
            EngineBroken: For a clean device; but not after a `JobError` of a song that was alone.
        """
        if len({member.run for member in self._batch}) != 1:
            raise EngineBroken(_words(error)) from error
        self._batch.remove(place)
        self._gone = True
        if isinstance(error, JobError):
            yield _broke(place, error.error_class, error.detail)
            return
        yield _broke(place, ErrorClass.INTERNAL, f"the engine failed ({_words(error)})")
        raise EngineBroken(_words(error)) from error

    def _progress(self) -> Iterator[Event]:
        for place in self._batch:
            state = place.state
            if state is not None and state.progress != place.share:
                place.share = state.progress
                stage = getattr(state, "stage", None)
                yield Moved(run=place.run, variation=place.song.variation, share=place.share, stage=stage)

    def _finish(self) -> Iterator[Event]:
        for place in [place for place in self._batch if place.state is not None and place.state.done]:
            assert place.state is not None  # noqa: S101 - for the type checker
            try:
                audio = self._engine.decode(place.state)
            except MemoryError as error:
                yield from self._out_of_memory(place, error)
            except Exception as error:
                yield from self._failed(place, error)
            else:
                self._batch.remove(place)
                song = place.song
                yield Made(
                    run=place.run, variation=song.variation, seed=song.seed, audio=audio, batch=place.batch
                )

    def _states(self) -> list[State]:
        return [place.state for place in self._batch if place.state is not None]


def _broke(place: Place, error_class: ErrorClass, detail: str) -> Broke:
    return Broke(run=place.run, variation=place.song.variation, error_class=error_class, detail=detail)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
