"""The engine process: owns the device, makes songs, and ends with the worker that started it.

    python -m tasks.worker.child FD

It is started by itself rather than forked: CUDA does not survive a fork, and the parent's threads would not
come along.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from typing import Final

from observability.logging import configure, get_logger
from tasks.engines import load_engine
from tasks.engines.engine import Engine
from tasks.jobs import JobError
from tasks.settings import Settings
from tasks.worker.messages import Leave, Loaded, LoadFailed, Make, Moved, Setup
from tasks.worker.scheduler import EngineBroken, Scheduler
from tasks.worker.wire import Wire

PR_SET_PDEATHSIG: Final = 1
PROGRESS_EVERY: Final = 0.25  # seconds between two reports of one order
BROKEN: Final = 70  # exit code, EX_SOFTWARE

log = get_logger()


def main(descriptor: int, parent: int) -> int:
    """Serve songs over the pipe until the other side hangs up; the exit code comes back."""
    _end_with(parent)
    for number in (signal.SIGINT, signal.SIGTERM):  # the worker decides: its songs may still be finished
        signal.signal(number, signal.SIG_IGN)
    wire = Wire(Connection(descriptor), trusted=True)
    try:
        setup: Setup = wire.receive()
        chosen = setup.settings
        configure("tutti-worker", chosen.log_file("worker.jsonl"), chosen.log_level, bounds=None)
        engine = _load(wire, chosen)
        return BROKEN if engine is None else _serve(wire, engine, chosen)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return 0


def _end_with(parent: int) -> None:
    """Be killed when the thread that started this process ends, even if it is killed itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(0)


def _load(wire: Wire, chosen: Settings) -> Engine | None:
    started = time.perf_counter()
    try:
        engine = load_engine(chosen)
        engine.load()
    except Exception as error:
        log.exception("worker.load_failed", message="the model does not load")
        detail = error.detail if isinstance(error, JobError) else f"{type(error).__name__}: {error}"
        wire.send(LoadFailed(detail=detail))
        return None
    wire.send(Loaded(name=engine.name, version=engine.version, seconds=time.perf_counter() - started))
    return engine


def _serve(wire: Wire, engine: Engine, chosen: Settings) -> int:
    scheduler = Scheduler(engine, limit=chosen.batch)
    reports = Reports(wire)
    while True:
        while wire.waiting(None if scheduler.idle else 0):
            match wire.receive():
                case Make() as order:
                    scheduler.add(order)
                case Leave(order=order):
                    wire.send(scheduler.leave(order))
                case _:
                    engine.unload()
                    return 0
        try:
            for event in scheduler.advance():
                reports.send(event)
        except EngineBroken:
            log.exception("worker.engine_broken", message="the engine failed; its process ends")
            return BROKEN


class Reports:
    """Sends events on, but of an order's progress only so much as a person can follow."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._sent: dict[int, float] = {}

    def send(self, event: object) -> None:
        """Send an event, or leave it out."""
        if isinstance(event, Moved):
            now = time.monotonic()
            if now - self._sent.get(event.order, 0.0) < PROGRESS_EVERY:
                return
            self._sent = {order: at for order, at in self._sent.items() if now - at < 60.0} | {
                event.order: now
            }
        self._wire.send(event)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
