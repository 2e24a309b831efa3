"""Engines that make a song in a single go, adapted to the step-by-step contract.

Each song runs in a thread of its own, which takes one step, from one progress call to the next, each time
`step` lets it. Between steps nothing runs: dropping the state is all that a cancel needs.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence

from tasks.engines.capabilities import Capabilities
from tasks.engines.engine import Audio, Engine, SimpleEngine, Song, State


class Dropped(BaseException):
    """Raised in a song's thread when nobody waits for it any more; no engine should catch it."""


class Run:
    """One call of `generate` and the two turnstiles that let it take steps."""

    def __init__(self, engine: SimpleEngine, song: Song) -> None:
        self.progress, self.finished, self.dropped = 0.0, False, False
        self.stage = ""
        self.audio: Audio | None = None
        self.error: BaseException | None = None
        self._engine, self._song = engine, song
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=f"song-{song.job_id}", daemon=True)
        self._started = False

    def go(self) -> None:
        """Let the song take one step."""
        if not self._started:
            self._started = True
            self._thread.start()
        self._go.release()

    def wait(self) -> None:
        """Return when that step is taken."""
        self._stopped.acquire()

    def drop(self) -> None:
        """Stop the song for good at the step it waits before."""
        self.dropped = True
        self._go.release()

    def _run(self) -> None:
        try:
            self._wait_for_go()
            self.audio = self._engine.generate(self._song, self._report)
        except BaseException as error:
            self.error = error
        self.finished, self.progress = True, 1.0
        self._stopped.release()

    def _report(self, share: float, words: str) -> None:
        self.stage = words
        self.progress = min(max(share, self.progress), 1.0)
        self._stopped.release()
        self._wait_for_go()

    def _wait_for_go(self) -> None:
        self._go.acquire()
        if self.dropped:
            raise Dropped


class SimpleSongState:
    """One song on its way through a simple engine."""

    def __init__(self, engine: SimpleEngine, song: Song) -> None:
        self.song = song
        self.run = Run(engine, song)
        # The thread knows the run only, so that a state that nobody holds is collected and ends it.
        weakref.finalize(self, self.run.drop).atexit = False

    @property
    def done(self) -> bool:
        """Whether the song is made, or has failed: `decode` gives it or raises why not."""
        return self.run.finished

    @property
    def progress(self) -> float:
        """Share done, 0..1, as the engine reports it."""
        return self.run.progress

    @property
    def stage(self) -> str:
        """What is being done now, in words for a person."""
        return self.run.stage


class Stepwise(Engine):
    """A simple engine as an `Engine`.

    Args:
        engine: What makes the songs.
        together: How many songs it makes at once, each in its thread; 0 for one.
    """

    def __init__(self, engine: SimpleEngine, *, together: int = 0) -> None:
        self.name, self.version = engine.name, engine.version
        self._engine = engine
        self._capabilities: Capabilities | None = getattr(engine, "capabilities", None)
        self._together = max(together, 1)

    def load(self) -> None:
        """Load the engine."""
        self._engine.load()

    def admit(self, song: Song) -> State:
        """Take a song; nothing runs until its first step.

        Raises:
            JobError: It asks for what the engine does not state in `capabilities`.
        """
        if self._capabilities is not None:
            self._capabilities.check(song.request)
        return SimpleSongState(self._engine, song)

    def fits(self, states: Sequence[State], song: Song) -> bool:  # noqa: ARG002 - every song takes as much
        """Whether fewer songs than `together` are on their way."""
        return len(states) < self._together

    def step(self, states: Sequence[State]) -> None:
        """Let each song run to its next progress call.

        A song that fails is done, so that it stops no other; `decode` raises its error.
        """
        runs = [state.run for state in states if isinstance(state, SimpleSongState) and not state.done]
        for run in runs:
            run.go()
        for run in runs:
            run.wait()

    def decode(self, state: State) -> Audio:
        """The finished audio, or the error that `generate` raised."""
        if not isinstance(state, SimpleSongState) or not state.done:
            raise RuntimeError("the song is not done: step it further")
        if state.run.error is not None:
            raise state.run.error
        if state.run.audio is None:
            raise RuntimeError(f"the engine {self.name} returned no audio")
        return state.run.audio

    def unload(self) -> None:
        """Let go of the engine's memory, where it can."""
        unload = getattr(self._engine, "unload", None)
        if unload is not None:
            unload()
