import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.courier import Courier
from tasks.jobs import JobRequest, new_job_id
from tasks.ledger import Ledger, NewJob


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


def cancelled(ledger: Ledger, url: str | None) -> Any:
    request = JobRequest(prompt="a plain tone", callback_url=url)
    job = ledger.accept(NewJob(id=new_job_id("a"), request=request, model_queue="tone@1")).result(20).job
    return ledger.cancel(job.id)


def test_who_asked_to_hear_is_told_how_the_job_ended(ledger: Ledger) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    told = threading.Event()

    def send(url: str, document: dict[str, Any]) -> bool:
        sent.append((url, document))
        told.set()
        return True

    courier = Courier(ledger, "https://tutti.example", send)
    job = cancelled(ledger, "https://example.com/done")
    courier.ended(job)
    assert told.wait(20)
    ((url, document),) = sent
    assert url == "https://example.com/done"
    assert (document["id"], document["state"], document["outputs"]) == (job.id, "cancelled", [])
    assert document["error"]["class"] == "cancelled_by_user"


def test_one_delivery_that_fails_does_not_end_the_others(ledger: Ledger) -> None:
    told: list[str] = []
    done = threading.Event()

    def send(url: str, document: dict[str, Any]) -> bool:
        if "bad" in url:
            raise RuntimeError("no such thing")
        told.append(document["id"])
        done.set()
        return True

    courier = Courier(ledger, "https://tutti.example", send)
    for _ in range(5):
        courier.ended(cancelled(ledger, "https://example.com/bad"))
    last = cancelled(ledger, "https://example.com/good")
    courier.ended(last)
    assert done.wait(20)
    assert told == [last.id]


def test_nothing_is_done_where_nobody_asked(ledger: Ledger) -> None:
    courier = Courier(ledger, "https://tutti.example", lambda *_: pytest.fail("nobody asked"))
    job = cancelled(ledger, None)
    before = threading.active_count()
    courier.ended(job)
    assert threading.active_count() == before
