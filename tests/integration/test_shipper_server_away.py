"""Elasticsearch stopped, refusing, or without templates: lines wait, and none is lost."""

import signal

import orjson

from observability.elastic.setup import setup
from tests import shipping
from tests.servers import elasticsearch

STREAM = "logs-tutti.web-default"


def test_a_server_that_stops_refuses_and_returns_loses_nothing(tmp_path):
    path, pattern, state = tmp_path / "web.jsonl", str(tmp_path / "*.jsonl"), tmp_path / "state"
    with elasticsearch.running() as node:
        shipping.write(path, 0, 2000)
        shipper = shipping.start(node.url, pattern, state)
        try:
            shipping.until(
                lambda: "tutti observe setup" in shipping.said(state)
            )  # no template: nothing may be indexed
            setup(node.client())
            shipping.until(lambda: shipping.present(node.client(), STREAM) == 2000)
            node.kill()
            shipping.write(path, 2000, 6000)
            shipping.until(lambda: shipping.said(state).count("shipper.refused") >= 2)
            node.start(**{"indexing_pressure.memory.limit": "200kb", "thread_pool.write.queue_size": "1"})
            shipping.write(path, 6000, 9000)
            shipping.until(lambda: shipping.present(node.client(), STREAM) == 9000, 120)
            shipper.send_signal(signal.SIGTERM)
            assert shipper.wait(60) == 0
        finally:
            shipper.kill()
        assert shipping.faults(node.client(), STREAM, 9000) == (0, 0)
        lines = [
            orjson.loads(line)["tutti"]["shipper"]["lines"]
            for line in shipping.said(state).splitlines()
            if "shipper.shipped" in line
        ]
        assert sum(counts["dead"] for counts in lines) == 0
