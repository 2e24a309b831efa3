"""A ledger on PostgreSQL: the server dies, a worker's clock is an hour off."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.faults.scene import Asked, Scene

RENEWED = 2.0  # seconds in which a worker renews its lease by the clock that it has then


def kill_server(scene: Scene) -> list[Asked]:
    """kill -9 of the server and all its processes in mid-burst; it is back a little later."""
    server = scene.ground.postgresql
    asked = scene.submit(3)
    scene.amid(asked)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(scene.submit, 10)
        asked += scene.submit(3)
        server.crash()  # just after an answer, and amid others
        scene.soon(0.5)
        server.start()
        return asked + asking.result()


def skew(scene: Scene) -> list[Asked]:
    """A worker's clock jumps an hour, back or forth, amid its jobs; sometimes the worker dies then."""
    hours = scene.dice.choice((1, -1)) if scene.whole else 1  # a lease into the past ends by itself
    asked = scene.submit(prompt="a tone steps=80 pace=0.05")
    scene.amid(asked)
    scene.clock.set(hours * 3_600)
    asked += scene.submit(2)
    scene.soon(2.0) if scene.whole else time.sleep(RENEWED)
    if not scene.whole or scene.dice.random() < 0.5:
        scene.kill("worker 0")
        if scene.whole and scene.dice.random() < 0.5:
            scene.restart("worker 0")
    return asked
