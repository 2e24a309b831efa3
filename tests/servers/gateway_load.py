"""Load on a gateway while things happen to it, and the happenings."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable

import httpx

from tests.servers.gateway import House, until

WEIGHTS = itertools.cycle(range(2, 1_000))


class Load(threading.Thread):
    """Asks again and again, each time on a fresh connection, and counts what comes back."""

    def __init__(self, house: House, number: int, *, reuse: bool = False) -> None:
        super().__init__()
        self.house, self.number, self.reuse = house, number, reuse
        self.statuses: Counter[int | str] = Counter()
        self.keys: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        transport = None if self.reuse else {"Connection": "close"}
        with self.house.client(f"127.5.0.{self.number}", headers=transport) as client:
            count = 0
            while not self.over.is_set():
                count += 1
                self.ask(client, f"{self.number}-{count}")

    def ask(self, client: httpx.Client, key: str) -> None:
        try:
            if self.number % 2:
                status = client.get("/v1/jobs").status_code
            else:
                status = client.post("/v1/jobs?pause=0.005", headers={"Idempotency-Key": key}).status_code
                self.keys.append(key)
            self.statuses[status] += 1
        except httpx.TransportError as error:
            self.statuses[type(error).__name__] += 1
            if self.reuse:
                with self.house.client() as fresh:
                    self.ask(fresh, key)


def under_load(house: House, happening: Callable[[list[Load]], None], *, reuse: bool = False) -> list[Load]:
    loads = [Load(house, number, reuse=reuse) for number in range(1, 5)]
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


def answered(loads: list[Load]) -> int:
    return sum(sum(load.statuses.values()) for load in loads)


def reload_often(house: House, loads: list[Load], times: int) -> None:
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


def wait_for_more(loads: list[Load]) -> None:
    done = answered(loads)
    until(lambda: answered(loads) > done + 8, "requests went on")
