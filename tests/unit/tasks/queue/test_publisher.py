"""What a publisher promises of a broker that answers nothing."""

from __future__ import annotations

import pytest

from tasks.ledger import Release
from tasks.queue.application import make_app
from tasks.queue.publisher import BrokerUnavailable, Publisher
from tasks.settings import Settings
from tests.servers import valkey

QUEUE = "tone@1"


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.server
def test_a_frozen_broker_is_given_up_and_used_again_when_it_thaws(connected: bool) -> None:
    with valkey.running(durable=False) as broker:
        publisher = Publisher(make_app(Settings(broker_url=broker.url), 0.3), broker.url)
        if connected:
            publisher.publish([Release(job_id="a_1", queue=QUEUE)])
        broker.freeze()
        with pytest.raises(BrokerUnavailable):
            publisher.publish([Release(job_id="a_2", queue=QUEUE)])
        broker.thaw()
        publisher.publish([Release(job_id="a_3", queue=QUEUE)])
        assert broker.client().llen(QUEUE) >= 1 + connected
        publisher.close()


@pytest.mark.server
def test_a_broker_that_is_not_there_is_said_to_be_away(tmp_path) -> None:
    url = f"redis+socket://{tmp_path / 'none.sock'}"
    with pytest.raises(BrokerUnavailable):
        Publisher(make_app(Settings(broker_url=url), 0.3), url).publish([Release(job_id="a_1", queue=QUEUE)])
