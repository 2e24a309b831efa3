"""Parts of Tutti that are killed, stopped, told to end, or lose the power."""

from __future__ import annotations

import secrets
import signal
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from tests.faults.scene import QUEUE, Asked, Scene
from tests.servers.workers import eventually

LONG = "a tone steps=160 pace=0.05"  # outlasts the drain


def kill_worker(scene: Scene) -> list[Asked]:
    """kill -9 of a worker amid its jobs; half of the times it is back at once, else the other takes over."""
    asked = scene.submit()
    worker = scene.amid(asked)
    scene.kill(worker)
    if scene.whole and scene.dice.random() < 0.5:
        scene.restart(worker)
    return asked


def kill_engine(scene: Scene) -> list[Asked]:
    """kill -9 of the engine's process: its jobs are suspects and run again, one by one."""
    asked = scene.submit()
    for engine in scene.parts[scene.amid(asked)].engines:
        engine.kill()
    return asked


def kill_dispatcher(scene: Scene) -> list[Asked]:
    """kill -9 of a dispatcher, of the two the one that leads or not; the other is enough."""
    asked = scene.submit(2)
    scene.soon()
    scene.kill(f"dispatch {scene.dice.randrange(2)}")
    return asked + scene.submit()


def kill_web(scene: Scene) -> list[Asked]:
    """kill -9 of the web process while many ask: what it answered is kept."""
    asked: list[Asked] = []
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(scene.submit, 1) for _ in range(20)]
        wait(asking, return_when=FIRST_COMPLETED)
        scene.soon(0.2)
        scene.kill("web")
        scene.restart("web")
        for one in asking:
            asked += one.result()
    return asked


def stop_worker(scene: Scene) -> list[Asked]:
    """SIGSTOP of a worker for longer than its lease; when it goes on its jobs are others'."""
    asked = scene.submit()
    worker = scene.parts[scene.amid(asked)]
    worker.send(signal.SIGSTOP)
    time.sleep(scene.system.settings.lease_seconds * scene.dice.uniform(1.2, 2.0))
    worker.send(signal.SIGCONT)
    return asked


def end_worker(scene: Scene) -> list[Asked]:
    """SIGTERM of a worker: it finishes the short songs and hands back the long ones, which nobody misses."""
    asked = scene.submit() + scene.submit(2, LONG)
    worker = scene.amid(asked)
    scene.parts[worker].end(signal.SIGTERM)
    scene.restart(worker)
    return asked


def one_key(scene: Scene) -> list[Asked]:
    """200 submits with one idempotency key: one job, whose id all of them are told."""
    key = secrets.token_hex(16)
    headers = {"idempotency-key": key, "traceparent": f"00-{key}-{key[:16]}-01"}
    with ThreadPoolExecutor(10) as pool:
        asking = [pool.submit(scene.submit, 20, **headers) for _ in range(10)]
        ids = {one.id for answers in asking for one in answers.result()}
    scene.expect(len(ids) == 1, f"{len(ids)} jobs of one key")
    return [Asked(one, key) for one in ids]


def burst(scene: Scene) -> list[Asked]:
    """One person asks for 60 songs, then another for one: it starts before the sixty have gone."""
    many = scene.submit(60, "a tone steps=6 pace=0.05", **{"x-real-ip": "192.0.2.1"})
    scene.soon()
    one = scene.submit(1, "a tone steps=6 pace=0.05", **{"x-real-ip": "192.0.2.2"})
    eventually(lambda: (job := scene.job(one[0].id)) and job.started_at)
    mine = scene.job(one[0].id)
    others = [job for other in many if (job := scene.job(other.id)) and job.started_at]
    between = sum(mine.created_at < job.started_at < mine.started_at for job in others)
    slots = sum(worker.slots for worker in scene.system.ledger.views.workers() if QUEUE in worker.queues)
    scene.expect(between <= 3 * slots, f"{between} songs of another went before on {slots} places")
    return many + one


def cut_power(scene: Scene) -> list[Asked]:
    """The power fails: all processes end, and of the disk only what was flushed is left."""
    disk = scene.ground.nas
    asked = scene.submit(3)
    scene.amid(asked)
    if not scene.whole or scene.dice.random() < 0.5:  # just after the first of them was stored
        eventually(lambda: any((job := scene.job(one.id)) and job.outputs for one in asked))
    asked += scene.submit(3)
    scene.soon(0.5)
    disk.cut_power()
    for name in scene.parts:
        scene.kill(name)
    scene.ground.server.kill()
    scene.system.ledger.close()
    scene.glimpses.pause()
    disk.restore_power()
    scene.glimpses.resume()
    scene.ground.server.start()
    scene.reopen()
    scene.mend()
    return asked
