"""Tells those who gave a `callback_url` that their job ended: at least once, whatever dies in between.

What is owed stands in the ledger until the receiver took it, refused it, or failed for too long. Only the
active dispatcher delivers; the one that takes over delivers again what was on its way.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from observability.back_off import BackOff
from observability.logging import get_logger
from tasks.dispatch.delivery import Receipt
from tasks.jobs import Job
from tasks.ledger import Ledger, LedgerError, Owed

log = get_logger()

THREADS: Final = 8  # receivers that answer slowly at the same time
PER_OWNER: Final = 2  # of them, so that one owner's slow receiver leaves room for the others
PAUSE: Final = 0.2
QUIET_PAUSE: Final = 1.0  # while nothing is on its way
TROUBLE_PAUSE: Final = 0.5
CALM: Final = 20.0  # times as long as a look took is paused, so that many open promises cost little
KEY: Final = "key:"  # begins an owner that is an API key
BETWEEN_TRIES: Final = BackOff(first=2.0, longest=3600.0, spread=0.5)


class Post(Protocol):
    """Delivers one document, signed by these secrets."""

    def __call__(self, url: str, document: dict[str, Any], /, *, secrets: Sequence[str]) -> Receipt:
        """Deliver it once."""
        ...


class CallbackSender:
    """A few threads that deliver, oldest first; `turn` finds them work.

    Args:
        ledger: The jobs, and the callbacks that are owed.
        address: Gives where people reach a song, by its file's name.
        hours: For so long a failing receiver is tried again.
        post: Delivers one document.
    """

    def __init__(self, ledger: Ledger, address: Callable[[str], str], hours: float, post: Post) -> None:
        self._ledger = ledger
        self._owed = ledger.callbacks
        self._address = address
        self._seconds = hours * 3600.0
        self._post = post
        self._work: queue.SimpleQueue[Owed] = queue.SimpleQueue()
        self._under_way: dict[str, Owed] = {}
        self._unsettled: dict[str, Receipt] = {}  # posted, but the ledger could not be told
        self._threads: list[threading.Thread] = []

    def hand_out_due(self) -> float:
        """Hand out what is due; the seconds to pause come back."""
        began = time.monotonic()
        free = THREADS - len(self._under_way)
        if free > 0:
            self._hand_out(free)
        return max(PAUSE if self._under_way else QUIET_PAUSE, CALM * (time.monotonic() - began))

    def _hand_out(self, free: int) -> None:
        under_way = dict(self._under_way)  # before the look: what is settled meanwhile may still be seen
        due = self._owed.due(THREADS + len(under_way), PER_OWNER)
        busy = Counter(owed.owner for owed in under_way.values())
        for owed in due:
            if free and owed.job_id not in under_way and busy[owed.owner] < PER_OWNER:
                busy[owed.owner] += 1
                free -= 1
                self._under_way[owed.job_id] = owed
                self._work.put(owed)
                self._wake()

    def _wake(self) -> None:
        if len(self._threads) < min(THREADS, len(self._under_way)):
            name = f"courier-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
            self._threads[-1].start()

    def _run(self) -> None:
        while True:
            owed = self._work.get()
            try:
                self._deliver(owed)
            except LedgerError as error:
                log.warning("callback.unsettled", tutti=_fields(owed), message=str(error))
                time.sleep(TROUBLE_PAUSE)
            except Exception:
                log.exception("callback.broke", tutti=_fields(owed), message="a fault of ours")
                with contextlib.suppress(LedgerError):
                    self._postpone(owed, "a fault of ours")
            finally:
                del self._under_way[owed.job_id]

    def _deliver(self, owed: Owed) -> None:
        job = self._ledger.views.get(owed.job_id)
        if job is None or job.request.callback_url is None:
            return self._owed.settle(owed.job_id)
        answer = self._unsettled.get(job.id) or self._post(
            job.request.callback_url, self._document(job), secrets=self._secrets(job)
        )
        self._unsettled[job.id] = answer
        if answer.taken or answer.final or self._too_late(job):
            self._settle(owed, job, answer)
        else:
            self._postpone(owed, answer.why)
        del self._unsettled[job.id]
        return None

    def _secrets(self, job: Job) -> Sequence[str]:
        return self._ledger.webhooks.valid(job.owner.removeprefix(KEY) if job.owner.startswith(KEY) else "")

    def _too_late(self, job: Job) -> bool:
        ended = job.finished_at.timestamp() if job.finished_at else self._ledger.now()
        return self._ledger.now() - ended > self._seconds

    def _settle(self, owed: Owed, job: Job, answer: Receipt) -> None:
        self._owed.settle(job.id)
        told = {"trace": {"id": job.trace_id} if job.trace_id else {}, "tutti": _fields(owed)}
        if answer.taken:
            log.info("callback.delivered", event={"outcome": "success"}, message=answer.why, **told)
        else:
            log.warning("callback.failed", event={"outcome": "failure"}, message=answer.why, **told)

    def _postpone(self, owed: Owed, why: str) -> None:
        pause = BETWEEN_TRIES.pause(owed.tries + 1)
        self._owed.postpone(owed.job_id, pause)
        message = f"{why}; once more in {pause:.0f} s"
        log.warning("callback.postponed", tutti=_fields(owed), message=message)

    def _document(self, job: Job) -> dict[str, Any]:
        """What is posted: the parts of `GET /v1/jobs/{id}` that say how it ended."""
        known = job.model_dump(
            mode="json", by_alias=True, include={"id", "state", "error", "timings", "finished_at"}
        )
        outputs = [output.model_dump() | {"url": self._address(output.name)} for output in job.named_outputs]
        return known | {"outputs": outputs, "trace_id": job.trace_id}


def _fields(owed: Owed) -> dict[str, Any]:
    return {"job": {"id": owed.job_id}, "callback": {"tries": owed.tries + 1}}
