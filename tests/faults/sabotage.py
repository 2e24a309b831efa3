"""A part of Tutti with one of its safeguards taken out: `python -m tests.faults.sabotage WHAT PART`.

The controls of the fault runs: with it the check has to fail, or the check is worth nothing.
"""

from __future__ import annotations

import contextlib
import sys

from tasks.ledger import Renewal, accept
from tasks.ledger.ledger import Ledger
from tasks.ledger.writer import Writer
from tasks.publish import BrokerUnavailable, Publisher


def no_expiry() -> None:
    """Workers that died keep their jobs for ever."""
    Ledger.expire_workers = lambda self: []


def no_renewal() -> None:
    """Workers never prolong their lease, and do not hear that they lost it."""
    Ledger.renew = lambda self, *_, **__: Renewal(alive=True)


def no_second_release() -> None:
    """What the broker lost is never released again."""
    Ledger.unrelease_stale = lambda self, queue, after: []


def no_resend() -> None:
    """What could not be published is taken for published, and never released again."""
    publish = Publisher.publish
    Publisher.publish = lambda self, releases: _hushed(publish, self, releases)
    no_second_release()


def _hushed(publish, publisher: Publisher, releases) -> None:
    with contextlib.suppress(BrokerUnavailable):
        publish(publisher, releases)


def no_keys() -> None:
    """Every submit makes a job, whatever its idempotency key."""
    accept.settle_keys = lambda connection, drafts: None


def answer_early() -> None:
    """Jobs are answered as accepted before they are on disk."""
    Writer.accept = _early


def _early(writer: Writer, new):
    import threading
    from concurrent.futures import Future

    future: Future = Future()
    job = type("Job", (), {"id": new.id})
    future.set_result(type("Accepted", (), {"job": job, "created": True}))
    threading.Timer(0.2, lambda: writer.submit(lambda c, now: writer._accept_all(c, now, [new]))).start()
    return future


def main(what: str, *argv: str) -> None:
    globals()[what]()
    if argv[0] == "submit":
        from tests.faults.submit import submit

        submit(argv[1])
    else:
        from compose.cli import main as tutti

        sys.argv = ["tutti", *argv]
        tutti()


if __name__ == "__main__":
    main(*sys.argv[1:])
