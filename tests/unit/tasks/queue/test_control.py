"""Telling a worker of a cancel never holds up the person who cancelled."""

from __future__ import annotations

import pytest

from observability.logging import configure
from tasks.queue.control import cancel_running
from tasks.settings import Settings
from tests.servers import valkey


@pytest.mark.parametrize("away", ["freeze", "kill"])
@pytest.mark.server
def test_a_broker_that_does_not_answer_is_waited_for_only_a_moment(away: str, tmp_path) -> None:
    path = tmp_path / "web.jsonl"
    configure("tutti-web", path)
    with valkey.running(durable=False) as broker:
        settings = Settings(broker_url=broker.url)
        cancel_running(settings, "gpu0@box", "a_1")
        assert not path.exists()
        getattr(broker, away)()
        cancel_running(settings, "gpu0@box", "a_2")
        assert b"job.cancel_delayed" in path.read_bytes()
    configure("tutti-test", None, level="error")
