"""The host's side of the engine process: starts it on demand, hears it, and notices when it dies.

One thread, the keeper, lives as long as the worker: it starts the child, because Linux kills a child when the
*thread* that started it ends, and it reads the pipe, whose end is the first sign of a death.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final

from observability import statefile
from observability.logging import get_logger
from tasks.engines.engine import Song
from tasks.settings import Settings
from tasks.settings import environment as environment_
from tasks.worker.messages import (
    Broke,
    Died,
    FromEngine,
    Joined,
    Leave,
    Left,
    Loaded,
    LoadFailed,
    Made,
    Make,
    Moved,
    Setup,
    Stop,
)
from tasks.worker.wire import Wire

EngineEvent = Joined | Moved | Made | Broke | Left | Died
OnEvent = Callable[[EngineEvent], None]

log = get_logger()

STOP_PATIENCE: Final = 10.0  # seconds for the child to free the device when it is asked to


@dataclass(kw_only=True)
class OpenOrder:
    """One order that the child works on: its songs still to come, and which of them are in the batch."""

    songs: dict[int, Song]
    alone: bool
    on_event: OnEvent
    joined: set[int] = field(default_factory=set)


class EngineProcess:
    """The one child that owns the device. Methods may be called from any thread."""

    def __init__(self, chosen: Settings, environment: Mapping[str, str] | None = None) -> None:
        self._settings = chosen.model_copy(
            update={"ledger_url": None, "broker_url": None}
        )  # not its business
        self._environment = environment_.built(environment)
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._orders: dict[int, OpenOrder] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._wire: Wire | None = None
        self._loaded: Loaded | None = None
        self._wanted = self._closing = self._asked_to_end = False
        self.load_error: str | None = None
        self._started = 0.0
        self._note_of_loading = chosen.run_path / f"load-{chosen.engine}".replace(":", "-")
        self._keeper = threading.Thread(target=self._keep, name="engine-keeper", daemon=True)
        self._keeper.start()

    @property
    def loaded(self) -> Loaded | None:
        """What the child said when its model was ready; None while there is none."""
        return self._loaded

    @property
    def loading(self) -> str:
        """What those who wait for the model are told: how long it took the last time."""
        try:
            seconds = float(self._note_of_loading.read_text())
        except (OSError, ValueError):
            return "loading the model for the first time"
        return f"loading the model, about {max(1.0, seconds):.0f} s"

    @property
    def is_loading(self) -> bool:
        """Whether the child has been asked for and its model is not ready."""
        return self._wanted and self._loaded is None

    @property
    def pid(self) -> int | None:
        """The child's process id, while it lives."""
        child = self._child
        return child.pid if child else None

    @property
    def busy(self) -> bool:
        """Whether any order is in the child or waits for it."""
        return bool(self._orders)

    def load(self) -> None:
        """Start the child now rather than at the first song."""
        with self._changed:
            self._wanted = True
            self._changed.notify_all()

    def make(self, songs: Sequence[Song], on_event: OnEvent, *, alone: bool = False) -> int:
        """Have songs made. What happens to them is told from the keeper's thread.

        Returns:
            The order's number, for `leave`.
        """
        open_order = OpenOrder(songs={song.variation: song for song in songs}, alone=alone, on_event=on_event)
        with self._changed:
            order = next(self._numbers)
            self._orders[order] = open_order
            self._wanted = True
            self._changed.notify_all()
            if self._loaded:
                self._send_songs(order, open_order)
        return order

    def leave(self, order: int) -> bool:
        """Stop an order's songs; False if none were with the child, so that no `Left` will come."""
        with self._changed:
            if order not in self._orders:
                return False
            if not self._loaded:
                del self._orders[order]
                return False
            self._send(Leave(order=order))
            return True

    def kill(self) -> None:
        """End the child at once; its runs are told, and none is a suspect. Waits for no lock."""
        self._asked_to_end = True
        if child := self._child:
            child.kill()

    def unload(self) -> None:
        """Let the child free the device and end, if nothing is in it."""
        with self._changed:
            if not self._orders and self._loaded:
                self._asked_to_end, self._wanted = True, False
                self._send(Stop())

    def close(self) -> None:
        """End the child and this object, and wait for both."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self.kill()
        self._keeper.join(STOP_PATIENCE)

    # --- the keeper's thread

    def _keep(self) -> None:
        while self._next_child_is_wanted():
            with self._changed:
                if self._closing:
                    return
                self._start()
            self._hear()
            self._bury()

    def _next_child_is_wanted(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._wanted)
            return not self._closing

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._asked_to_end, self._started = False, time.monotonic()
        with theirs:
            self._child = subprocess.Popen(  # noqa: S603 - this program's own module
                environment_.python("tasks.worker.child", str(theirs.fileno()), str(os.getpid())),
                pass_fds=[theirs.fileno()],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C in a terminal is for the worker to act on
            )
        self._wire = Wire(Connection(ours.detach()))
        self._send(Setup(settings=self._settings))

    def _hear(self) -> None:
        wire = self._wire
        while wire is not None:
            try:
                self._take(wire.receive())
            except EOFError:
                return

    def _take(self, message: FromEngine) -> None:
        match message:
            case Loaded(name=name, version=version, seconds=seconds):
                log.info("worker.engine_loaded", message=f"{name}@{version} is ready after {seconds:.1f} s")
                with contextlib.suppress(OSError):
                    took = f"{time.monotonic() - self._started:.1f}"
                    statefile.write(self._note_of_loading, took.encode())
                with self._changed:
                    self._loaded, self.load_error = message, None
                    for order, open_order in self._orders.items():
                        self._send_songs(order, open_order)
            case LoadFailed(detail=detail):
                self.load_error = detail
            case _:
                self._pass_on(message)

    def _pass_on(self, message: Joined | Moved | Made | Broke | Left) -> None:
        with self._changed:
            open_order = self._orders.get(message.order)
            if open_order is None:  # it left before this was said
                return
            self._note(message, open_order)
        open_order.on_event(message)

    def _note(self, message: Joined | Moved | Made | Broke | Left, open_order: OpenOrder) -> None:
        match message:
            case Joined(variation=variation):
                open_order.joined.add(variation)
            case Made(variation=variation) | Broke(variation=variation):
                open_order.songs.pop(variation, None)
                open_order.joined.discard(variation)
            case Left():
                open_order.songs.clear()
        if not open_order.songs:
            del self._orders[message.order]

    def _bury(self) -> None:
        child, wire = self._child, self._wire
        assert child is not None and wire is not None  # noqa: S101, PT018 - for the type checker
        child.kill()  # it hung up, so it is of no use any more
        detail = _cause_of_death(child.wait())
        with self._changed:
            open_orders, self._orders = self._orders, {}
            loading, asked = self._loaded is None, self._asked_to_end
            self._child = self._wire = self._loaded = None
            self._wanted = False
            wire.close()
        inside = [open_order for open_order in open_orders.values() if open_order.joined]
        for open_order in open_orders.values():
            suspect = bool(open_order.joined) and not asked
            open_order.on_event(
                Died(
                    suspect=suspect,
                    alone=len(inside) == 1,
                    loading=loading and not asked,
                    detail=self.load_error or detail if loading else detail,
                )
            )

    def _send_songs(self, order: int, open_order: OpenOrder) -> None:
        for song in open_order.songs.values():
            self._send(Make(order=order, song=song, alone=open_order.alone))

    def _send(self, message: object) -> None:
        try:
            if self._wire:
                self._wire.send(message)
        except OSError:
            pass  # the keeper is about to read of its death, and tells those whom it concerns


def _cause_of_death(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
