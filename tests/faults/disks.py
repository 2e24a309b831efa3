"""A NAS that is full, read-only, gone, answers with errors, or does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.faults.scene import SUCCEEDED, Asked, Scene

UNREADY_WITHIN = 30.0  # seconds until readiness is false


def full(scene: Scene) -> list[Asked]:
    """No room beyond the reserve."""
    return _during(scene, scene.ground.nas.fill, scene.ground.nas.empty)


def read_only(scene: Scene) -> list[Asked]:
    """Nothing can be written."""
    return _during(scene, scene.ground.nas.read_only, scene.ground.nas.writable)


def read_only_for_long(scene: Scene) -> list[Asked]:
    """For longer than songs wait: those that were being made fail with their class, all others succeed."""
    ends = SUCCEEDED | {"storage_unavailable"}
    return _during(scene, scene.ground.nas.read_only, scene.ground.nas.writable, ends=ends)


def fail(scene: Scene) -> list[Asked]:
    """Every call ends with EIO; what was not flushed by then is gone, or everything is there."""
    cut = scene.dice.choice((scene.ground.nas.cut_power, scene.ground.nas.detach))
    return _during(scene, cut, scene.ground.nas.restore_power)


def vanish(scene: Scene) -> list[Asked]:
    """It is unmounted, or an empty disk lies where it was; a worker that starts then is not deceived."""
    away = scene.dice.choice((scene.ground.nas.unmount, scene.ground.nas.replace))

    def go() -> None:
        away()
        worker = scene.some_worker()
        scene.kill(worker)
        scene.restart(worker)

    return _during(scene, go, scene.ground.nas.mount)


def hang(scene: Scene) -> list[Asked]:
    """No call to it comes back, reading neither."""
    return _during(scene, scene.ground.nas.stop, scene.ground.nas.resume)


def _during(
    scene: Scene, begin: Callable[[], None], end: Callable[[], None], ends: frozenset[str] = SUCCEEDED
) -> list[Asked]:
    asked = scene.submit(ends=ends)
    scene.amid(asked)
    begin()
    try:
        deadline = time.monotonic() + UNREADY_WITHIN
        while not (refused := scene.refuses()) and time.monotonic() < deadline:
            time.sleep(0.1)
        scene.expect(refused, "readiness did not become false")
        asked += scene.submit(2, ends=ends)
        scene.soon(5.0)
    finally:
        end()
    return asked
