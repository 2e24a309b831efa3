"""The certificate that nginx shows: its days left are told, for the rules that warn."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from nginx import certificate as reminder
from nginx.certificate import Reminder
from observability.certificate import ends_at
from observability.kibana.rules import CERTIFICATE_DAYS
from observability.logging import configure
from tasks.settings import Settings
from tests.servers import tutti
from tests.servers.gateway import certificate_until, free_port, standing, until

DAY = 86_400.0


def told(path: Path, action: str = "certificate.state") -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    return [line for line in lines if line["event"]["action"] == action]


def shown(port: int) -> float | None:
    """The end of the certificate; None in the moment of the change, when two connections see two of them."""
    try:
        return ends_at("127.0.0.1", port)
    except OSError:
        return None


@pytest.mark.parametrize(("days", "level"), [(5.5, "warning"), (29.5, "info"), (-3.5, "warning")])
def test_the_gateway_tells_the_days_left(tmp_path: Path, days: float, level: str) -> None:
    chain, key = certificate_until(tmp_path, time.time() + days * DAY)
    with standing(tmp_path, tls_certificate=chain, tls_key=key) as house:
        (line,) = until(lambda: told(house.data / "log/nginx.jsonl"), "the line")
    assert line["tutti"]["certificate"]["days_left"] == pytest.approx(days, abs=0.1)
    assert line["log"]["level"] == level
    assert (line["tutti"]["certificate"]["days_left"] < CERTIFICATE_DAYS) == (level == "warning")
    assert line["service"]["name"] == "tutti-gateway"


def test_what_is_told_is_what_is_shown_and_not_what_the_file_says(tmp_path: Path) -> None:
    old, new = time.time() + 5 * DAY, time.time() + 60 * DAY
    chain, key = certificate_until(tmp_path, old)
    with standing(tmp_path, tls_certificate=chain, tls_key=key) as house:
        (tmp_path / "new").mkdir()
        for made, place in zip(certificate_until(tmp_path / "new", new), (chain, key), strict=True):
            made.replace(place)
        assert ends_at("127.0.0.1", house.port) == pytest.approx(old, abs=2)
        assert house.gateway is not None
        os.kill(house.gateway.pid, signal.SIGHUP)
        until(lambda: shown(house.port) == pytest.approx(new, abs=2), "the new one is shown")


def test_it_is_told_every_hour_and_asked_again_sooner_while_nobody_answers(tmp_path: Path) -> None:
    configure("test", tmp_path / "lines")
    chain, key = certificate_until(tmp_path, time.time() + 5 * DAY)
    port = free_port()

    def look(at: float) -> None:
        watch.due(at)
        if watch._question:
            watch._question.join(30)

    watch = Reminder(Settings(data=tmp_path, port=port, tls_certificate=chain, tls_key=key))
    look(0.0)
    assert (len(told(tmp_path / "lines")), len(told(tmp_path / "lines", "certificate.unknown"))) == (0, 1)
    (tmp_path / "house").mkdir()
    with standing(tmp_path / "house", port=port, tls_certificate=chain, tls_key=key):
        for at in (1.0, reminder.ASK_AGAIN, reminder.ASK_AGAIN + 1, reminder.EVERY, reminder.EVERY + 14):
            look(at)
        assert len(told(tmp_path / "lines")) == 1
        look(reminder.ASK_AGAIN + reminder.EVERY)
        assert len(told(tmp_path / "lines")) == 2


def test_all_parts_start_behind_tls_and_metrics_tell_the_certificates_end(tmp_path: Path) -> None:
    ends = time.time() + 9 * DAY
    chain, key = certificate_until(tmp_path, ends)
    trusting = httpx.HTTPTransport(verify=False)
    with tutti.running(tmp_path / "var", tls_certificate=str(chain), tls_key=str(key)) as started:
        client = httpx.Client(base_url=f"https://127.0.0.1:{started.port}", transport=trusting, timeout=20)
        assert client.get("/").headers["strict-transport-security"]
        text = client.get("/metrics").text
        client.close()
    found = re.search(r"^tutti_certificate_expiry_timestamp_seconds (\S+)$", text, re.MULTILINE)
    assert found
    assert float(found[1]) == pytest.approx(ends, abs=2)


def test_without_tls_nothing_is_asked(tmp_path: Path) -> None:
    watch = Reminder(Settings(data=tmp_path))
    watch.due(1e9)
    assert watch._question is None
