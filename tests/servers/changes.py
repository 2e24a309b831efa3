"""What hosts write to a ledger at the same time, each for jobs of its own: every kind of change there is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tasks.jobs import ErrorClass
from tasks.ledger import Ledger
from tasks.security.keys import Quota
from tests.ledgers import QUEUE, accept_one, new_job, register, song

Work = Callable[[], object]
LEASE = 1.0  # seconds, of a host that is to fall silent
LIMIT = 60  # seconds: far more than the bounds that end a wait
QUOTA = Quota(jobs_a_day=1_000, seconds_a_day=1e9, concurrent=1_000)


@dataclass(frozen=True)
class Change:
    """`prepared` does all that comes before, for the host of that name, and gives what makes the change."""

    prepared: Callable[[Ledger, str], Work]


def _accept(**values: object) -> Callable[[Ledger, str], Work]:
    def prepared(ledger: Ledger, host: str) -> Work:
        return lambda: ledger.submissions.accept(new_job(f"a tone of {host}", **values)).result(LIMIT)

    return prepared


def _known_song(ledger: Ledger, _: str) -> Work:
    """A song that all ask for, made before."""
    _make(ledger, accept_one(ledger, seed=1), "gpu0@studio")
    return lambda: ledger.submissions.accept(new_job(seed=1)).result(LIMIT)


def _follow(ledger: Ledger, _: str) -> Work:
    """A song that all ask for, and that is being made."""
    accept_one(ledger, seed=2)
    return lambda: ledger.submissions.accept(new_job(seed=2)).result(LIMIT)


def _make(ledger: Ledger, job_id: str, worker: str) -> None:
    epoch = register(ledger, worker)
    if job := ledger.workers.claim(job_id, worker, epoch):
        ledger.workers.finish(job_id, job.attempt, worker, epoch, [song(job_id)])


def _run(end: Callable[[Ledger, tuple[str, int, str, int]], object]) -> Callable[[Ledger, str], Work]:
    def prepared(ledger: Ledger, host: str) -> Work:
        worker, job_id = f"gpu0@{host}", accept_one(ledger)
        epoch = register(ledger, worker)
        job = ledger.workers.claim(job_id, worker, epoch)
        assert job
        return lambda: end(ledger, (job_id, job.attempt, worker, epoch))

    return prepared


def _claim(ledger: Ledger, host: str) -> Work:
    worker, job_id = f"gpu0@{host}", accept_one(ledger)
    epoch = register(ledger, worker)
    return lambda: ledger.workers.claim(job_id, worker, epoch)


def _renew(ledger: Ledger, host: str) -> Work:
    epoch = register(ledger, f"gpu0@{host}")
    return lambda: ledger.workers.renew(f"gpu0@{host}", epoch, {})


def _cancel(ledger: Ledger, _: str) -> Work:
    job_id = accept_one(ledger, start_within=0.01)  # the dispatcher is about to end it, too
    return lambda: ledger.submissions.cancel(job_id)


def _look_after(ledger: Ledger, _: str) -> Work:
    """What the dispatcher does each second."""

    def work() -> None:
        time.sleep(1.5 * LEASE)  # so that the lease of a silent worker has run out
        ledger.dispatch.expire_workers()
        ledger.dispatch.expire_deadlines()
        ledger.dispatch.release_orphans()
        ledger.dispatch.unrelease_stale(QUEUE, 0.0)
        ledger.dispatch.to_version(QUEUE, f"{QUEUE}.1")
        ledger.dispatch.lead("dispatcher", 5.0)
        ledger.retention.fold_counters()

    return work


CHANGES = {
    "accept": Change(_accept()),
    "accept within a quota": Change(_accept(owner="key:1", quota=QUOTA)),
    "accept a known song": Change(_known_song),
    "follow a song": Change(_follow),
    "cancel": Change(_cancel),
    "register": Change(lambda ledger, host: lambda: register(ledger, f"gpu0@{host}")),
    "renew": Change(_renew),
    "claim": Change(_claim),
    "finish": Change(_run(lambda ledger, mine: ledger.workers.finish(*mine, [song(mine[0])]))),
    "fail": Change(
        _run(lambda ledger, mine: ledger.workers.fail(*mine, ErrorClass.INTERNAL, "it broke; try again"))
    ),
    "hand back": Change(
        _run(lambda ledger, mine: ledger.workers.hand_back(*mine, reason="drained", charged=False))
    ),
    "beat": Change(lambda ledger, host: lambda: ledger.web_nodes.register(host, f"http://{host}:8000")),
    "release": Change(lambda ledger, _: lambda: ledger.dispatch.release(100)),
    "look after": Change(_look_after),
}
__all__ = ["CHANGES", "LIMIT", "QUEUE", "Change"]
