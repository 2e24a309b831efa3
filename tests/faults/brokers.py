"""Brokers that are killed, wiped, frozen, slow, cut off or swallow what they are sent."""

from __future__ import annotations

import signal
import time

from tasks.ledger.sql.database import Database
from tests.faults.scene import JOBS, QUEUE, Asked, Scene
from tests.servers.workers import eventually


def kill(scene: Scene) -> list[Asked]:
    """kill -9 in mid-burst; jobs are accepted while it is away."""
    asked = scene.submit()
    scene.soon()
    scene.ground.server.kill()
    asked += scene.submit(2)
    scene.soon()
    scene.ground.server.start()
    return asked


def kill_unanswered(scene: Scene) -> list[Asked]:
    """kill -9 while it hangs, so that what was just sent to it is gone."""
    scene.ground.server.freeze()
    asked = scene.submit()
    scene.soon()
    scene.ground.server.kill()
    scene.ground.server.start()
    return asked


def wipe(scene: Scene) -> list[Asked]:
    """The broker forgets everything it was given."""
    # a worker that is stopped in the middle of a write would hold up everybody
    with Database(scene.system.settings.ledger).write():
        for worker in scene.workers:
            worker.send(signal.SIGSTOP)  # for less than its lease, so that messages lie in the broker
    asked = scene.submit(3 * JOBS)
    broker = scene.ground.server.client()
    eventually(lambda: broker.llen(QUEUE))
    broker.flushall()
    for worker in scene.workers:
        worker.send(signal.SIGCONT)
    scene.soon()
    broker.flushall()
    return asked


def freeze(scene: Scene) -> list[Asked]:
    """SIGSTOP for a while, then it goes on as if nothing had been."""
    asked = scene.submit(2)
    scene.soon()
    scene.ground.server.freeze()
    asked += scene.submit()
    time.sleep(scene.dice.uniform(1, 10))
    scene.ground.server.thaw()
    return asked


def slow_down(scene: Scene) -> list[Asked]:
    """Every message takes up to two seconds each way: longer than a message is given before it goes again."""
    scene.ground.proxy.delay = scene.dice.uniform(0.2, 2)
    asked = scene.submit()
    time.sleep(scene.dice.uniform(1, 6))
    scene.ground.proxy.delay = 0.0
    return asked


def reset(scene: Scene) -> list[Asked]:
    """Every connection is cut, again and again."""
    asked = scene.submit(2)
    for _ in range(10):
        scene.soon(0.2)
        scene.ground.proxy.reset()
        asked += scene.submit(1)
    return asked


def swallow(scene: Scene) -> list[Asked]:
    """A black hole: connections are up, nothing comes through, and those of before are dead for good."""
    asked = scene.submit(2)
    scene.soon()
    with scene.ground.proxy.black_hole():
        asked += scene.submit()
        time.sleep(scene.dice.uniform(1, 6))
    return asked


def kill_worker(scene: Scene) -> list[Asked]:
    """kill -9 of a worker that has messages which it could not yet begin."""
    asked = scene.submit(4 * JOBS)
    scene.kill(scene.amid(asked))
    return asked
