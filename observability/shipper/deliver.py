"""One batch to its end: sent, looked for, sent again, until each line is a document or a dead letter."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

import orjson
from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from observability import metrics, trust
from observability.back_off import BackOff
from observability.lines import LineFile
from observability.logging import get_logger
from observability.rotation import RotationLimits
from observability.shipper import bulk, guard
from observability.shipper.flow import Slots, Stopping
from observability.shipper.line import Line
from observability.shipper.source import Batch

BETWEEN_TRIES = BackOff(first=0.1, longest=30.0, spread=0.5)
COMPLAIN_AFTER = 3  # refusals in a row until a line is logged
TOO_LARGE, MALFORMED = 413, 400
SHRINK = {400, 413, 429, 503}
DEAD_LETTERS = RotationLimits(
    bytes=16 << 20, seconds=float("inf"), keep_bytes=128 << 20, keep_unshipped_bytes=128 << 20
)
LETTER_MAX = 64 << 10

log = get_logger()


class DeadLetters:
    """The file of lines that Elasticsearch would not take, each with the reason and its place."""

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path, DEAD_LETTERS)

    def add(self, batch: Batch, line: Line, reason: str) -> None:
        """Keep one line; it can be mended and shipped again from there."""
        letter = {
            "id": line.id.decode(),
            "stream": batch.source.flow.stream,
            "file": str(batch.source.path),
            "offset": line.offset,
            "reason": reason,
            "line": line.text[:LETTER_MAX].decode("utf-8", "replace"),
        }
        self._file.write(orjson.dumps(letter, option=orjson.OPT_APPEND_NEWLINE))
        metrics.shipper_dead_letters.inc()


class Delivery:
    """Delivers batches; safe from several threads.

    Args:
        server: The client.
        letters: Where refused lines go.
        name: Names this shipper in the server's task list, the same over restarts.
        stopping: Ends all waits.
    """

    def __init__(
        self, server: Elasticsearch, letters: DeadLetters, name: str, stopping: threading.Event
    ) -> None:
        self._server, self._letters, self._stopping = server, letters, stopping
        self._name, self._life = name, f"{name}.{secrets.token_hex(4)}."
        self._count = itertools.count()
        self._slots = Slots(stopping)

    def deliver(self, batch: Batch) -> None:
        """Return when every line of the batch is a document or a dead letter.

        Raises:
            Stopping: The shipper is asked to stop first.
        """
        rest, refusals, flow = batch.lines, 0, batch.source.flow
        if batch.suspect:
            rest = self._without_stored(batch, rest, self._is_former)
        while rest:
            piece = rest[: flow.room]
            taken, again, reason = self._attempt(batch, piece)
            rest = again + rest[len(piece) :]
            refusals = 0 if taken else refusals + 1
            flow.troubled = bool(again)
            if again:
                self._pause(batch, refusals, reason)
        flow.troubled = False
        for line in batch.oversize:
            self._letters.add(batch, line, "longer than 1 MiB")
        metrics.shipper_lines.labels("repaired").inc(batch.repaired)

    def _attempt(self, batch: Batch, piece: list[Line]) -> tuple[bool, list[Line], str]:
        """Send one request; says whether the server took anything, what has to go again, and why."""
        name, content = f"{self._life}{next(self._count)}", bulk.body(piece)
        try:
            with self._slots.one(batch.source.flow):
                answer = bulk.send(self._server, batch.source.flow.stream, piece, content, opaque_id=name)
        except bulk.Uncertain as problem:
            batch.source.flow.troubled = True
            self._pause(batch, 1, str(problem))
            return False, self._without_stored(batch, piece, name.__eq__), ""
        except bulk.RequestRefused as problem:
            return self._refused(batch, piece, problem)
        for line, reason in answer.dead:
            self._letters.add(batch, line, reason)
        if not answer.again:
            batch.source.flow.grow(len(piece))
        _count(answer)
        return len(answer.again) < len(piece), answer.again, answer.reason

    def _refused(
        self, batch: Batch, piece: list[Line], problem: bulk.RequestRefused
    ) -> tuple[bool, list[Line], str]:
        if problem.status in SHRINK:
            batch.source.flow.shrink(len(piece))
        if problem.status in {TOO_LARGE, MALFORMED}:
            if len(piece) > 1:
                return True, piece, ""
            self._letters.add(batch, piece[0], str(problem))
            return True, [], ""
        return False, piece, str(problem)

    def _is_former(self, name: str) -> bool:
        return name.startswith(self._name) and not name.startswith(self._life)

    def _without_stored(
        self, batch: Batch, lines: list[Line], unsettled: Callable[[str], bool]
    ) -> list[Line]:
        """Leave out the lines that are there already, as soon as the server can say so."""
        for refusals in itertools.count(1):
            try:
                guard.wait_until_settled(self._server, unsettled, self._stopping)
                with self._slots.one(batch.source.flow):
                    rest = guard.missing(self._server, batch.source.flow.stream, lines, batch.since)
                metrics.shipper_lines.labels("found").inc(len(lines) - len(rest))
                return rest
            except (ApiError, TransportError) as problem:
                batch.source.flow.troubled = True
                self._pause(batch, refusals, str(problem))
        raise AssertionError("itertools.count ends never")

    def _pause(self, batch: Batch, refusals: int, reason: str) -> None:
        """Wait before the next attempt, longer each time, and say so when it lasts."""
        if not reason and not refusals:
            return
        if refusals == COMPLAIN_AFTER or refusals % 100 == 0 < refusals:
            log.warning(
                "shipper.refused",
                event={"outcome": "failure", "reason": reason[:500]},
                tutti={"shipper": {"stream": batch.source.flow.stream, "attempts": refusals}},
                message=_advice(reason),
            )
        if self._stopping.wait(BETWEEN_TRIES.pause(refusals + 1)):
            raise Stopping


def _count(answer: bulk.BulkOutcome) -> None:
    results = {
        "delivered": answer.delivered,
        "repeated": answer.repeated,
        "failure_store": answer.stored_as_failure,
        "dead": len(answer.dead),
        "again": len(answer.again),
    }
    for result, count in results.items():
        if count:
            metrics.shipper_lines.labels(result).inc(count)


def _advice(reason: str) -> str:
    if told := trust.advice(reason):
        return f"Elasticsearch cannot be reached: {told}"
    if reason.startswith("404"):
        return "Elasticsearch has no data stream for these lines; run `tutti observe setup`"
    if reason.startswith(("401", "403")):
        return (
            "Elasticsearch refuses the API key; run `tutti observe setup` and set TUTTI_ELASTICSEARCH_API_KEY"
        )
    return "Elasticsearch does not take lines now; they are kept and sent later"
