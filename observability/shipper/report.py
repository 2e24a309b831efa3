"""Once a minute: what was shipped, and what Elasticsearch took but could not fully index."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from elastic_transport import TransportError
from elasticsearch import ApiError

from observability import metrics
from observability.logging import get_logger
from observability.shipper import bulk

EVERY_SECONDS = 60.0
STREAMS = "logs-tutti.*-*"
RESULTS = ("delivered", "repeated", "found", "repaired", "failure_store", "dead", "again")

log = get_logger()


class Report:
    """Logs `shipper.shipped` from a thread of its own; a context manager.

    `_ignored` counts documents that were taken with a field left out of the index because its value did not
    fit the mapping: they are there, but no panel sees that field.

    Args:
        url: Where Elasticsearch is.
        api_key: Its API key.
        stopping: Ends the thread.
        bundle: PEM file of authorities to believe besides the machine's.
    """

    def __init__(
        self, url: str, api_key: str | None, stopping: threading.Event, bundle: Path | None = None
    ) -> None:
        self._server = bulk.client(url, api_key, timeout=5, bundle=bundle)
        self._stopping = stopping
        self._before = dict.fromkeys(RESULTS, 0.0)
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._say()
        self._server.close()

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_SECONDS):
            with contextlib.suppress(ApiError, TransportError):
                metrics.shipper_ignored.set(self.ignored())
            self._say()

    def ignored(self) -> int:
        """Documents with a field that was not indexed."""
        answer = self._server.count(
            index=STREAMS,
            query={"exists": {"field": "_ignored"}},
            ignore_unavailable=True,
            allow_no_indices=True,
        )
        return int(answer["count"])

    def _say(self) -> None:
        now = {result: metrics.shipper_lines.labels(result)._value.get() for result in RESULTS}
        counts = {result: int(now[result] - self._before[result]) for result in RESULTS}
        self._before = now
        age = metrics.shipper_unacknowledged_seconds._value.get()
        if any(counts.values()) or age > EVERY_SECONDS:
            told = {
                "lines": counts,
                "unacknowledged_seconds": round(age, 1),
                "ignored_documents": int(metrics.shipper_ignored._value.get()),
            }
            log.info("shipper.shipped", event={"outcome": "success"}, tutti={"shipper": told})
