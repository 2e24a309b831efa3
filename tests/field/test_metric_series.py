"""What strangers invent never becomes a series of metrics: paths, methods, hosts and names."""

from __future__ import annotations

import random
from pathlib import Path

import httpx
import pytest

from tests.servers.tutti import free_port
from tests.servers.web import process

INVENTED = (
    "/output/{}", "/output/output", "/output/o", "/v1/jobs/{}", "/v1/jobs/v1", "/v1/jobs/jobs/events",
    "/v1/jobs/{}/retry",
    "/songs/{}", "/songs/s", "/analytics/{}.svg", "/analytics/a.svg", "/flower/{}/{}", "/static/{}", "/{}",
    "/{}/{}",
    "/v1/uploads/{}", "/v1/jobs/{}/peaks", "/output/%6f", "/output//{}", "/docs/{}",
)  # fmt: skip


@pytest.mark.parametrize("port", [True, False], ids=["port", "socket"])
def test_made_up_requests_make_no_series(port: bool, tmp_path: Path) -> None:
    chance = random.Random(7)
    number = free_port() if port else 0
    with process(tmp_path / "var", uds=None if port else tmp_path / "w.sock", port=number) as web:

        def ask(count: int) -> None:
            for path in INVENTED:
                for _ in range(count):
                    words = [f"{chance.getrandbits(40):x}" for _ in range(path.count("{}"))]
                    for method in ("GET", "POST", "BREW", f"M{chance.getrandbits(20):X}"):
                        web.client.request(method, path.format(*words))

        def series() -> set[str]:
            text = web.client.get("/metrics").text
            return {line.rpartition(" ")[0] for line in text.splitlines() if line.startswith("tutti_http")}

        ask(1)
        series()  # which is a request as well
        first = series()
        ask(15)
        assert series() - first == set()
        assert not [line for line in first if "BREW" in line]
        assert web.client.get("/livez").status_code == httpx.codes.OK
