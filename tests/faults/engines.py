"""Jobs that bring the engine down, among others that do not."""

from __future__ import annotations

from tests.faults.scene import PROMPT, Asked, Scene


def crash(scene: Scene) -> list[Asked]:
    """A job at which the engine dies of SIGSEGV: quarantined after two crashes of its own."""
    return _among(scene, f"poison {PROMPT}", "engine_crash")


def run_out_of_memory(scene: Scene) -> list[Asked]:
    """A job that needs more memory than there is, and one that needs all of it."""
    return _among(scene, f"hungry {PROMPT}", "out_of_memory") + scene.submit(1, f"greedy {PROMPT}")


def _among(scene: Scene, prompt: str, error: str) -> list[Asked]:
    asked = scene.submit(scene.dice.randrange(1, 4))
    scene.soon()
    asked += scene.submit(1, prompt, {error})
    scene.soon(0.3)
    return asked + scene.submit(2)
