import threading

import pytest

from tasks.worker.admission import Admission, NotNow


def refused(admission: Admission) -> str:
    with pytest.raises(NotNow) as obstacle, admission.entered(0.02):
        pass
    return str(obstacle.value)


def test_no_more_jobs_enter_than_there_are_slots() -> None:
    admission = Admission(1)
    with admission.entered(1):
        assert refused(admission) == "busy"
    with admission.entered(1):
        pass


def test_a_slot_given_back_early_is_given_back_once() -> None:
    admission = Admission(1)
    with admission.entered(1) as leave:
        leave()
        leave()
        with admission.entered(1):
            assert refused(admission) == "busy"


def test_who_waits_enters_when_a_slot_is_free() -> None:
    admission, entered = Admission(1), threading.Event()

    def wait() -> None:
        with admission.entered(20):
            entered.set()

    with admission.entered(1):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not entered.wait(0.3)
    assert entered.wait(20)
    thread.join()


def test_nobody_enters_while_songs_cannot_be_stored() -> None:
    admission = Admission(1)
    admission.storage(works=False)
    assert refused(admission) == "storage"
    admission.storage(works=True)
    with admission.entered(1):
        pass


def test_an_engine_that_does_not_load_rests_before_the_next_try() -> None:
    admission = Admission(1)
    admission.engine(loads=False)
    assert refused(admission) == "engine"
    admission.engine(loads=True)
    with admission.entered(1):
        pass


def test_a_closed_gate_turns_away_who_waits_already() -> None:
    admission = Admission(0)
    threading.Timer(0.05, admission.close).start()
    with pytest.raises(NotNow, match="draining"), admission.entered(60):
        pass


def test_nobody_enters_while_the_ledger_is_away() -> None:
    admission = Admission(1)
    admission.ledger(works=False)
    admission.storage(works=False)
    assert refused(admission) == "ledger"
    assert admission.storage_fails
    admission.ledger(works=True)
    assert refused(admission) == "storage"
    admission.storage(works=True)
    with admission.entered(1):
        pass


def test_a_lost_broker_keeps_nobody_out_who_is_here_already() -> None:
    admission = Admission(1)
    assert not admission.has_broker
    with admission.entered(1):
        admission.broker(works=True)
    assert admission.has_broker
