"""The shipper's loop: read what is new, keep two bulks in flight, remember what is acknowledged."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from observability import metrics
from observability.logging import get_logger
from observability.shipper import guard
from observability.shipper.checkpoint import ShipperCheckpoint
from observability.shipper.deliver import DeadLetters, Delivery
from observability.shipper.flow import IN_FLIGHT, Flow, Stopping
from observability.shipper.folder import Folder
from observability.shipper.line import PendingBatch
from observability.shipper.source import Batch, Source

log = get_logger()

AHEAD = 1  # batches ready, with their place reserved, for when a bulk returns
RESERVE = 16 << 20  # bytes reserved with one write of the checkpoint, which waits for the disk
THREADS = 64  # each holds a batch until it is delivered: enough for twenty streams in trouble at once
POLL_SECONDS = 0.25
SCAN_SECONDS = 1.0
SAVE_SECONDS = 5.0
SAVE_AGAIN = 1.0
LOOK_SECONDS = 30.0
DRAIN_SECONDS = 10.0


class Shipper:
    """Follows files and delivers their lines; `run` blocks until it is stopped.

    Args:
        server: A client made by `bulk.client`.
        patterns: Absolute glob patterns of the files.
        state: Folder of the checkpoint and the dead letters.
        stopping: Set it to end `run`.

    Raises:
        AlreadyRunning: Another shipper uses `state`.
    """

    def __init__(
        self, server: Elasticsearch, patterns: Sequence[str], state: Path, stopping: threading.Event
    ) -> None:
        self._server, self._stopping = server, stopping
        self._checkpoint = ShipperCheckpoint(state)
        saved, self._former = self._checkpoint.load()
        self._generations: dict[str, int] = {}
        self._folder = Folder(patterns, saved, suspect=self._checkpoint.lost)
        place = f"{os.uname().nodename}:{state.absolute()}".encode()
        name = hashlib.blake2b(place, digest_size=6).hexdigest()
        letters = DeadLetters(state / "dead-letters.jsonl")
        self._delivery = Delivery(server, letters, f"tutti-ship-{name}", stopping)
        self._flying: dict[Future[None], Batch] = {}
        self._looked_at: dict[str, float] = {}
        self._scanned_at = -SCAN_SECONDS
        self._saved_at: list[int] = []
        self._saved_time = 0.0
        self._turns = itertools.count(1)

    def run(self, *, once: bool = False) -> None:
        """Ship until `stopping` is set, or with `once` until nothing is left."""
        with ThreadPoolExecutor(THREADS, "bulk") as pool:
            try:
                while not self._stopping.is_set() and self._round(pool, once=once):
                    pass
            finally:
                self._stopping.set()
                with contextlib.suppress(Stopping):
                    wait(self._flying, timeout=DRAIN_SECONDS)
                    self._collect()
                self._try_to_save()
                self._folder.close()
                self._checkpoint.close()

    def _round(self, pool: ThreadPoolExecutor, *, once: bool) -> bool:
        self._scan()
        self._collect()
        more = False
        for source in sorted(self._folder.sources.values(), key=lambda one: one.turn):
            if self._has_room(source.flow):
                more |= self._feed(pool, source)
        self._measure()
        if not more:
            self._save_at_rest()
            if once and not self._flying:
                return False
            self._rest()
        return True

    def _has_room(self, flow: Flow) -> bool:
        """Whether another batch may be read; those of streams in trouble take nobody else's room."""
        sound = sum(not batch.source.flow.troubled for batch in self._flying.values())
        return not flow.troubled and sound < IN_FLIGHT + AHEAD

    def _rest(self) -> None:
        if self._flying:
            wait(self._flying, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        else:
            self._stopping.wait(POLL_SECONDS)

    def _scan(self) -> None:
        if time.monotonic() - self._scanned_at >= SCAN_SECONDS:
            self._folder.scan()
            self._scanned_at = time.monotonic()

    def _feed(self, pool: ThreadPoolExecutor, source: Source) -> bool:
        """Send this file's next batch; says whether there is more at once."""
        batch = source.read()
        if batch is None:
            return False
        source.turn = next(self._turns)
        self._send(pool, batch)
        return batch.full

    def _send(self, pool: ThreadPoolExecutor, batch: Batch) -> None:
        """Reserve the lines on disk, then send them: whatever happens next, a later life looks for them."""
        source = batch.source
        current = self._generation(source.flow.stream)
        batch.since = self._former.get(source.flow.stream, 0) if batch.suspect else current
        done: Future[None] = Future()
        source.pending.append(
            PendingBatch(done, batch.end, source.tail_at(batch.end), batch.since, time.monotonic())
        )
        if batch.end > source.reserved:
            source.reserved = batch.end + RESERVE
            while not self._try_to_save():  # nothing is sent that a later life would not look for
                if self._stopping.wait(SAVE_AGAIN):
                    return
        self._flying[pool.submit(self._deliver, batch, done)] = batch

    def _deliver(self, batch: Batch, done: Future[None]) -> None:
        with contextlib.suppress(Stopping):  # then it stays pending, and the checkpoint keeps it reserved
            self._delivery.deliver(batch)
            done.set_result(None)

    def _collect(self) -> None:
        for flown in [future for future in self._flying if future.done()]:
            batch = self._flying.pop(flown)
            flown.result()
            batch.source.acknowledge()

    def _generation(self, stream: str) -> int:
        """The newest backing index known; an old answer is safe, it only makes a later look longer."""
        if time.monotonic() - self._looked_at.get(stream, -LOOK_SECONDS) >= LOOK_SECONDS:
            self._looked_at[stream] = time.monotonic()
            with contextlib.suppress(ApiError, TransportError):
                self._generations[stream] = guard.newest_generation(self._server, stream)
        return self._generations.get(stream, 0)

    def _try_to_save(self) -> bool:
        """Save, or say why not; the last good checkpoint stays on a full disk."""
        try:
            self._save()
        except OSError as error:
            message = f"{self._checkpoint.path} cannot be written ({error.strerror}); lines wait until it can"
            log.error("shipper.checkpoint_unwritable", event={"outcome": "failure"}, message=message)
            return False
        return True

    def _save(self) -> None:
        sources = self._folder.sources.values()
        oldest = dict(self._generations)
        for source in sources:
            since = [pending.since for pending in source.pending]
            if source.read_to < source.suspect_to:
                since.append(self._former.get(source.flow.stream, 0))
            oldest[source.flow.stream] = min([oldest.get(source.flow.stream, 0), *since])
        entries = [source.saved() for source in sources if source.known]
        self._checkpoint.save(self._folder.unseen() + entries, oldest)
        self._saved_at = [source.acknowledged for source in sources]
        self._saved_time = time.monotonic()

    def _save_at_rest(self) -> None:
        """Save what is acknowledged; seldom while bulks are in flight, because it waits for the disk."""
        sources = self._folder.sources.values()
        recent = time.monotonic() - self._saved_time < SAVE_SECONDS
        if (self._flying and recent) or self._saved_at == [source.acknowledged for source in sources]:
            return
        for source in sources:
            if source.idle and source.acknowledged >= source.suspect_to:
                source.reserved = source.acknowledged
        if not self._try_to_save():
            self._stopping.wait(SAVE_AGAIN)

    def _measure(self) -> None:
        now = time.monotonic()
        sources = self._folder.sources.values()
        ages = [now - source.pending[0].read_at for source in sources if source.pending]
        metrics.shipper_unacknowledged_seconds.set(max(ages, default=0.0))
        metrics.shipper_behind_bytes.set(sum(source.behind for source in sources))
