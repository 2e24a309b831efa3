"""`tutti up` under load: its parts are restarted one after the other, or all of it is."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psutil

from tests.faults.kills import LONG
from tests.faults.scene import Asked, Scene
from tests.servers.workers import eventually

PARTS = ("web", "dispatch", "worker")


def rolling(scene: Scene) -> list[Asked]:
    """SIGTERM of each part in turn, while jobs come in."""
    asked = scene.submit(2, LONG)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(_steadily, scene)
        for name in scene.dice.sample(PARTS, len(PARTS)):
            scene.soon()
            _restart(scene, name)
        return asked + asking.result()


def _steadily(scene: Scene) -> list[Asked]:
    asked: list[Asked] = []
    for _ in range(8):
        asked += scene.submit(1)
        time.sleep(0.3)
    return asked


def _restart(scene: Scene, name: str) -> None:
    old = _pid(scene, name)
    if old:
        psutil.Process(old).send_signal(signal.SIGTERM)
        eventually(lambda: _pid(scene, name) not in (None, old))


def _pid(scene: Scene, name: str) -> int | None:
    for child in psutil.Process(scene.parts["up"].process.pid).children():
        words = child.cmdline() if child.is_running() and child.status() != psutil.STATUS_ZOMBIE else []
        if "compose.cli" in words and words[words.index("compose.cli") + 1 :][:1] == [name]:
            return child.pid
    return None


def whole(scene: Scene) -> list[Asked]:
    """SIGTERM of `tutti up`: it ends in time and leaves nothing running; its jobs go on when it is back."""
    asked = scene.submit() + scene.submit(2, LONG)
    scene.amid(asked)
    up = scene.parts["up"]
    family = psutil.Process(up.process.pid).children(recursive=True)
    code = up.end(signal.SIGTERM, limit=60)
    scene.expect(code == 0, f"tutti up ended with code {code}")
    left = [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    scene.expect(not left, f"{len(left)} processes outlived it")
    scene.mend()
    return asked
