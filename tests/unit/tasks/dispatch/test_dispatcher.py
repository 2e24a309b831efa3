"""The dispatcher with a real broker: the window, what is sent again, and who is the active one."""

from __future__ import annotations

import threading
import time

import pytest

from tasks.dispatch.dispatcher import UPKEEP_SECONDS, Dispatcher
from tasks.dispatch.leader import LEASE_SECONDS
from tasks.dispatch.lost import LOST_SECONDS
from tasks.jobs import JobState
from tasks.queue.application import make_app
from tasks.queue.names import declare
from tasks.queue.publisher import BrokerUnavailable, Publisher
from tasks.settings import Settings
from tests.ledgers import QUEUE, accept, accept_one, register
from tests.servers.valkey import Valkey
from tests.servers.workers import eventually


@pytest.fixture
def dispatcher(ledger, publisher, clock) -> Dispatcher:
    return Dispatcher(ledger, publisher, clock=clock)


def turn(dispatcher: Dispatcher) -> None:
    dispatcher.maintain()
    dispatcher.carry()


def taken(broker: Valkey, queue: str = QUEUE) -> list[str]:
    """The job ids of all messages in a queue, which is empty then."""
    app = make_app(Settings(broker_url=broker.url))
    ids = []
    with app.connection_for_write() as connection:
        bound = declare(queue, broker.url).bind(connection.channel())
        while message := bound.get(no_ack=True):
            ids.append(message.headers["id"])
    return ids


def test_a_window_of_jobs_is_sent_for_each_slot_of_the_workers(ledger, dispatcher, broker):
    jobs = accept(ledger, 10)
    register(ledger, slots=4)
    turn(dispatcher)
    assert taken(broker) == jobs[:4]
    turn(dispatcher)
    assert taken(broker) == []


def test_one_job_is_sent_where_nobody_is_there_yet(ledger, dispatcher, broker):
    jobs = accept(ledger, 3)
    turn(dispatcher)
    assert taken(broker) == jobs[:1]


def test_what_nobody_claims_beside_an_idle_worker_is_sent_again(ledger, dispatcher, broker, clock):
    job_id = accept_one(ledger)
    epoch = register(ledger)
    turn(dispatcher)
    assert taken(broker) == [job_id]  # and with that it is lost
    for _ in range(int(LOST_SECONDS)):
        clock.now += UPKEEP_SECONDS
        ledger.workers.renew("gpu0@a", epoch)
        turn(dispatcher)
    turn(dispatcher)
    assert taken(broker) == [job_id]


def test_what_nobody_claims_while_all_are_busy_is_not_sent_again(ledger, dispatcher, broker, clock):
    job_id, waiting = accept(ledger, 2)
    epoch = register(ledger)
    ledger.workers.claim(job_id, "gpu0@a", epoch)
    turn(dispatcher)
    assert taken(broker) == [waiting]
    for _ in range(10):
        clock.now += UPKEEP_SECONDS
        ledger.workers.renew("gpu0@a", epoch)
        turn(dispatcher)
    assert taken(broker) == []


def test_the_queue_of_a_machine_that_is_gone_is_emptied(ledger, dispatcher, broker, clock):
    job_id = accept_one(ledger, preferred_queue="node.a")
    register(ledger, queues=("node.a", QUEUE))
    turn(dispatcher)
    assert broker.client().llen("node.a") == 1
    clock.now += 11  # the lease's end
    turn(dispatcher)
    assert broker.client().llen("node.a") == 0
    turn(dispatcher)
    assert taken(broker) == [job_id]


def test_what_the_broker_did_not_take_is_sent_when_it_is_back(ledger, clock, broker):
    job_id = accept_one(ledger)
    publisher = Deaf(make_app(Settings(broker_url=broker.url)), broker.url)
    dispatcher = Dispatcher(ledger, publisher, clock=clock)
    turn(dispatcher)
    assert taken(broker) == []
    publisher.deaf = False
    turn(dispatcher)
    assert taken(broker) == [job_id]
    publisher.close()


def test_what_a_broker_could_not_take_for_long_is_sent_once_when_it_is_back(ledger, clock, broker):
    job_id, epoch = accept_one(ledger), register(ledger)
    publisher = Deaf(make_app(Settings(broker_url=broker.url)), broker.url)
    dispatcher = Dispatcher(ledger, publisher, clock=clock)
    for second in range(10):
        publisher.deaf = second < 8
        clock.now += UPKEEP_SECONDS
        ledger.workers.renew("gpu0@a", epoch)
        turn(dispatcher)
    assert taken(broker) == [job_id]
    publisher.close()


class Deaf(Publisher):
    """A publisher whose broker is away at first."""

    deaf = True

    def publish(self, releases) -> None:
        if self.deaf:
            raise BrokerUnavailable("away")
        super().publish(releases)


def test_a_standby_takes_over_when_the_lease_ends_and_sends_what_was_lost(
    open_ledger, publisher, broker, clock
):
    first, second = (Dispatcher(open_ledger(), publisher, clock=clock) for _ in range(2))
    ledger = open_ledger()
    job_id, epoch = accept_one(ledger), register(ledger, slots=2)
    turn(first)
    turn(second)
    assert taken(broker) == [job_id]
    later = accept_one(ledger)
    turn(second)
    assert taken(broker) == []  # it stands by
    clock.now += LEASE_SECONDS + 0.1
    turn(second)
    assert not first._leader.leads
    first.carry()
    seen = set(taken(broker))
    for _ in range(6):
        clock.now += UPKEEP_SECONDS
        ledger.workers.renew("gpu0@a", epoch)
        turn(second)
        turn(first)
        seen.update(taken(broker))
    assert seen == {job_id, later}


def test_a_standby_sends_nothing(open_ledger, publisher, broker, clock):
    first, second = (Dispatcher(open_ledger(), publisher, clock=clock) for _ in range(2))
    first.maintain()
    job_id = accept_one(open_ledger())
    turn(second)
    assert taken(broker) == []
    turn(first)
    assert taken(broker) == [job_id]


def test_a_standby_takes_over_at_once_where_the_active_one_leaves(open_ledger, publisher, broker, clock):
    first, second = (Dispatcher(open_ledger(), publisher, clock=clock) for _ in range(2))
    job_id = accept_one(open_ledger())
    first.maintain()
    first.leave()
    clock.now += UPKEEP_SECONDS
    turn(second)
    assert taken(broker) == [job_id]


def test_everything_but_messages_goes_on_while_the_broker_is_frozen(open_ledger, clock, broker):
    ledger, watching = open_ledger(), open_ledger(clock=time.time)
    patient = Publisher(make_app(Settings(broker_url=broker.url), 120.0), broker.url)
    dispatcher, standby = Dispatcher(ledger, patient, clock=clock), Dispatcher(open_ledger(), patient)
    dead, late = accept_one(ledger), accept_one(ledger, start_within=8.0)
    ledger.workers.claim(dead, "gpu0@a", register(ledger))
    dispatcher.maintain()
    broker.freeze()
    try:
        carrying = threading.Thread(target=dispatcher.carry, daemon=True)
        carrying.start()
        eventually(lambda: any(view.released for view in watching.views.queues()))
        for _ in range(12):
            clock.now += 1
            dispatcher.maintain()
            assert not standby._leader.hold()
        assert [ledger.views.get(one).state for one in (dead, late)] == [JobState.QUEUED, JobState.FAILED]
        assert carrying.is_alive()
    finally:
        broker.thaw()
    carrying.join(60)
    turn(dispatcher)
    assert dead in taken(broker)
    patient.close()
