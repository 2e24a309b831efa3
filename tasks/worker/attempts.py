"""The jobs a worker is running: each knows its songs, its deadline, and what has to become of it."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, Literal

from observability.logging import get_logger
from tasks.engines.engine import Song
from tasks.jobs import SEED_MAX, ErrorClass, Job, JobError
from tasks.worker.admission import Admission
from tasks.worker.messages import Broke, Died, Joined, Left, Made, Moved
from tasks.worker.process import EngineEvent, EngineProcess

log = get_logger()

LEAVE_PATIENCE: Final = 2.0  # seconds for the engine to let a song go before its process is killed

Reason = Literal["cancelled", "lease_lost", "drained"]


class Interrupted(Exception):
    """Somebody wants this run to end before it is finished."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class HandedBack(Exception):
    """This worker cannot finish the job; another run may."""

    def __init__(self, reason: str, *, charged: bool, alone: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.charged = charged
        self.alone = alone


class Attempt:
    """One attempt of one job on this worker. Its own thread calls `songs` and `check`; anyone `interrupt`."""

    def __init__(
        self,
        job: Job,
        epoch: int,
        *,
        engine: EngineProcess,
        admission: Admission,
        deadline: float,
        loading: float = 600.0,
        crashes: Callable[[], int] = lambda: 0,
    ) -> None:
        self.job = job
        self.epoch = epoch
        self.started = time.monotonic()
        self.stage: str | None = engine.loading if engine.loaded is None else "waiting for the engine"
        self.alone = bool(job.extra.get("alone"))
        self._engine = engine
        self._gate = admission
        self._crashes = crashes  # how often the engine died of this job alone; lost workers do not count
        self._deadline = (
            deadline  # counts from when the engine begins, for a cold start is not the job's fault
        )
        self._begun = False
        self._until = self.started + loading + deadline
        self._events: queue.SimpleQueue[EngineEvent | Interrupted] = queue.SimpleQueue()
        self._interrupted: Interrupted | None = None
        self._shares = dict.fromkeys(range(1, job.request.variations + 1), 0.0)

    @property
    def progress(self) -> tuple[float, str | None]:
        """Share of all variations that is done, and what is being done now."""
        return sum(self._shares.values()) / len(self._shares), self.stage

    def interrupt(self, reason: Reason) -> None:
        """End the run as soon as may be: within one step of the engine."""
        if self._interrupted is None or self._interrupted.reason == "cancelled":  # the others weigh more
            self._interrupted = Interrupted(reason)
        self._events.put(self._interrupted)

    def check(self) -> None:
        """Raise `Interrupted` if somebody wants that."""
        if self._interrupted:
            raise self._interrupted

    def check_mine(self) -> None:
        """Raise `Interrupted` if the job is no longer this worker's to end."""
        if self._interrupted and self._interrupted.reason != "cancelled":
            raise self._interrupted

    def songs(self, engine_is_free: Callable[[], None]) -> Iterator[Made]:
        """Every variation as it is finished; `engine_is_free` is called when the last one is.

        Raises:
            JobError: A song cannot be made, or the deadline is over.
            HandedBack: The engine cannot be had here, or died of this job for the first time.
            Interrupted: Somebody wants the run to end.
        """
        missing = {song.variation: song for song in songs_of(self.job)}
        while missing:
            number = self._engine.make(list(missing.values()), self._events.put, alone=self.alone)
            try:
                yield from self._hear(number, missing, engine_is_free)
            finally:
                self._engine.leave(number)

    def _hear(
        self, number: int, missing: dict[int, Song], engine_is_free: Callable[[], None]
    ) -> Iterator[Made]:
        while missing:
            match self._next(number):
                case Made() as made if made.variation in missing:
                    del missing[made.variation]
                    self._shares[made.variation], self.stage = 1.0, "encoding"
                    self._gate.engine(loads=True)
                    if not missing:
                        engine_is_free()
                    yield made
                case Joined():
                    self._begin()
                case Moved(variation=variation, share=share, stage=stage):
                    self._shares[variation], self.stage = min(share, 1.0), stage or "making music"
                case Broke(error_class=error_class, detail=detail):
                    raise JobError(error_class, detail)
                case Died() as died:
                    self._after(died)
                    return
                case Interrupted() as interrupted:
                    raise interrupted

    def _next(self, number: int) -> EngineEvent | Interrupted:
        try:
            return self._events.get(timeout=max(0.0, self._until - time.monotonic()))
        except queue.Empty:
            if not self._begun:
                raise self._never_begun() from None
            self._overdue(number)
            detail = f"not finished within {self._deadline:g} s; ask for less, or try again later"
            raise JobError(ErrorClass.DEADLINE, detail) from None

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._until = time.monotonic() + self._deadline

    def _never_begun(self) -> HandedBack:
        """Make an end of an engine that hangs while it loads; another worker may do better."""
        if self._engine.loaded is None:
            self._gate.engine(loads=False)
            self._engine.kill()
        return HandedBack("engine_unavailable", charged=False, alone=self.alone)

    def _overdue(self, number: int) -> None:
        """Ask the engine to let go, then kill its process; the worker itself lives on."""
        if not self._engine.leave(number):
            return
        until = time.monotonic() + LEAVE_PATIENCE
        while time.monotonic() < until:
            try:
                event = self._events.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if isinstance(event, (Left, Died)):
                return
        log.warning(
            "worker.engine_killed", message="a song passed its deadline and the engine did not let go"
        )
        self._engine.kill()

    def _after(self, died: Died) -> None:
        """Decide what the death of the engine process means for this job."""
        if died.loading:
            self._gate.engine(loads=False)
            log.error("worker.engine_unavailable", message=f"the engine does not start: {died.detail}")
            raise HandedBack("engine_unavailable", charged=False, alone=self.alone)
        if not died.suspect:
            return
        if not died.alone:
            self.alone = True
            return
        if self._crashes():
            detail = f"the engine crashed twice on this request alone ({died.detail}); change the request"
            raise JobError(ErrorClass.ENGINE_CRASH, detail)
        raise HandedBack("engine_crash", charged=True, alone=True)


class Attempts:
    """All runs of a worker, by job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, Attempt] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, run: Attempt) -> None:
        """Keep a run until `remove`."""
        with self._lock:
            self._runs[run.job.id] = run

    def remove(self, run: Attempt) -> None:
        """Forget a run."""
        with self._lock:
            if self._runs.get(run.job.id) is run:
                del self._runs[run.job.id]

    def all(self) -> list[Attempt]:
        """The runs of this moment."""
        with self._lock:
            return list(self._runs.values())

    def cancel(self, job_id: str) -> bool:
        """End a job's run because a person wants that; False if it is not here."""
        run = self._runs.get(job_id)
        if run:
            run.interrupt("cancelled")
        return run is not None

    def oldest(self) -> float:
        """Seconds that the oldest run has taken so far."""
        return max((time.monotonic() - run.started for run in self.all()), default=0.0)


def songs_of(job: Job) -> list[Song]:
    """A job's variations. Without a seed one is made of the job's id: every attempt makes the same."""
    seed, given = job.request.seed, job.request.seeds
    if seed is None:
        seed = int.from_bytes(hashlib.sha256(job.id.encode()).digest()[:4])
    numbers = range(1, job.request.variations + 1)
    return [
        Song(
            job_id=job.id,
            variation=n,
            seed=given[n - 1] if given else (seed + n - 1) % (SEED_MAX + 1),
            request=job.request,
        )
        for n in numbers
    ]
