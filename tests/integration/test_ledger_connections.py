"""How many of PostgreSQL's connections a web node takes when it has much to do, and a worker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.servers.web import GOOD, Web, in_app

OURS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
WEB_MOST = 4
AT_ONCE = 64


@contextmanager
def counted(url: str) -> Iterator[list[int]]:
    """How many sessions there were, again and again as long as the block takes."""
    seen: list[int] = []
    ended = threading.Event()

    def look() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not ended.wait(0.01):
                row = connection.execute(OURS).fetchone()
                seen.append(row[0] if row else 0)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def test_a_busy_web_node_takes_four_at_most(tmp_path, own_postgresql):
    url = own_postgresql.ledger_url()

    async def ask(web: Web, number: int) -> list[int]:
        made = await web.client.post("/v1/jobs", json=GOOD | {"seed": number})
        read = await web.client.get(f"/v1/jobs/{made.json()['id']}")
        listed = await web.client.get("/v1/jobs")
        return [made.status_code, read.status_code, listed.status_code]

    async def scenario(web: Web) -> None:
        with counted(url) as seen:
            answers = await asyncio.gather(*(ask(web, number) for number in range(AT_ONCE)))
        assert answers == [[202, 200, 200]] * AT_ONCE
        assert 2 <= max(seen) <= WEB_MOST, "it reads beside its writing, and has a bound"

    in_app(tmp_path, scenario, ledger_url=url, rate_limit="off")
