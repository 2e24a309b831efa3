"""Load on a gateway while things happen to it, and the happenings."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import httpx

from tests.servers.gateway import House, until

WEIGHTS = itertools.cycle(range(2, 1_000))
WISH = {"prompt": "a calm piano song", "duration": 10}
GOOD = {200, 202}


class Served(Protocol):
    """What is under load: it gives a client for an address."""

    def client(self, *, source: str, **more: Any) -> httpx.Client: ...


class Load(threading.Thread):
    """Asks again and again and counts what comes back.

    Args:
        served: What is asked.
        number: Whose address it has; those with an odd one look, the others ask for jobs.
        reuse: Whether connections are kept. Then what a broken connection took is sent once more, on a fresh
            one; never a third time. Else each request has its own connection and is sent once.
        pause: Seconds between two requests.
    """

    def __init__(self, served: Served, number: int, *, reuse: bool = False, pause: float = 0.0) -> None:
        super().__init__()
        self.served, self.number, self.reuse, self.pause = served, number, reuse, pause
        self.source = f"127.5.0.{number}"
        self.statuses: Counter[int | str] = Counter()
        self.sent_again: Counter[str] = Counter()
        self.keys: list[str] = []
        self.jobs: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        fresh = {} if self.reuse else {"Connection": "close"}
        with self.served.client(source=self.source, headers=fresh) as client:
            for count in itertools.count():
                if self.over.wait(self.pause):
                    return
                self.ask(client, f"{self.number}-{count}")

    def ask(self, client: httpx.Client, key: str) -> None:
        try:
            self._count(self._send(client, key), key)
        except httpx.TransportError as error:
            if not self.reuse:
                self.statuses[type(error).__name__] += 1
                return
            self.sent_again[type(error).__name__] += 1
            self._once_more(key)

    def _once_more(self, key: str) -> None:
        with self.served.client(source=self.source, headers={"Connection": "close"}) as fresh:
            try:
                self._count(self._send(fresh, key), key)
            except httpx.TransportError as error:
                self.statuses[f"{type(error).__name__} twice"] += 1

    def _send(self, client: httpx.Client, key: str) -> httpx.Response:
        if self.number % 2:
            return client.get("/v1/jobs?limit=1")
        return client.post("/v1/jobs?pause=0.005", json=WISH, headers={"Idempotency-Key": key})

    def _count(self, answer: httpx.Response, key: str) -> None:
        self.statuses[answer.status_code] += 1
        if answer.status_code == 202:
            self.keys.append(key)
            self.jobs.append(str(answer.json().get("id")))


def under_load(
    served: Served,
    happening: Callable[[Sequence[Load]], None],
    *,
    fresh: int = 0,
    kept: int = 0,
    pause: float = 0.0,
) -> list[Load]:
    """Let so many clients ask while something happens."""
    loads = [Load(served, count + 1, reuse=count >= fresh, pause=pause) for count in range(fresh + kept)]
    for load in loads:
        load.start()
    try:
        happening(loads)
    finally:
        for load in loads:
            load.over.set()
        for load in loads:
            load.join()
    return loads


def answered(loads: Sequence[Load]) -> int:
    return sum(sum(load.statuses.values()) for load in loads)


def reload_often(house: House, loads: Sequence[Load], times: int) -> None:
    for _ in range(times):
        reload_once(house, next(WEIGHTS))
        wait_for_more(loads)


def reload_once(house: House, weight: int) -> None:
    """Change every node's weight to one that was not there before, and wait until nginx has it."""
    config = house.data / "run/nginx/nginx.conf"
    before = house.generations()
    house.tell(*({"address": node.address, "weight": weight} for node in house.nodes.values()))
    until(lambda: f"weight={weight} " in config.read_text(), "the new configuration")
    until(lambda: house.generations() - before, "new workers of nginx")


def wait_for_more(loads: Sequence[Load], more: int = 8) -> None:
    done = answered(loads)
    until(lambda: answered(loads) > done + more, "requests went on")
