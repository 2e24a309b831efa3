import threading

import pytest

from tasks.worker.gate import Gate, NotNow


def refused(gate: Gate) -> str:
    with pytest.raises(NotNow) as obstacle, gate.entered(0.02):
        pass
    return str(obstacle.value)


def test_no_more_jobs_enter_than_there_are_slots() -> None:
    gate = Gate(1)
    with gate.entered(1):
        assert refused(gate) == "busy"
    with gate.entered(1):
        pass


def test_a_slot_given_back_early_is_given_back_once() -> None:
    gate = Gate(1)
    with gate.entered(1) as leave:
        leave()
        leave()
        with gate.entered(1):
            assert refused(gate) == "busy"


def test_who_waits_enters_when_a_slot_is_free() -> None:
    gate, entered = Gate(1), threading.Event()

    def wait() -> None:
        with gate.entered(20):
            entered.set()

    with gate.entered(1):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not entered.is_set()
    assert entered.wait(20)
    thread.join()


def test_nobody_enters_while_songs_cannot_be_stored() -> None:
    gate = Gate(1)
    gate.storage(works=False)
    assert refused(gate) == "storage"
    gate.storage(works=True)
    with gate.entered(1):
        pass


def test_an_engine_that_does_not_load_rests_before_the_next_try() -> None:
    gate = Gate(1)
    gate.engine(loads=False)
    assert refused(gate) == "engine"
    gate.engine(loads=True)
    with gate.entered(1):
        pass


def test_a_closed_gate_turns_away_who_waits_already() -> None:
    gate = Gate(0)
    threading.Timer(0.05, gate.close).start()
    with pytest.raises(NotNow, match="draining"), gate.entered(60):
        pass
