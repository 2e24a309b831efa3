"""What each engine can do, so that what it cannot is refused by name before a job waits for it.

An engine of another distribution says the same by a class attribute `capabilities`; of one that says nothing,
nothing is known, and nothing is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, get_args

from tasks.jobs import JobRequest, TaskType

# What only some engines follow. All else in a request is the service's, every engine's, or a word about the
# lyrics.
OPTIONAL: Final = (
    "source_audio",
    "reference_audio",
    "repaint_start",
    "repaint_end",
    "track",
    "lora",
    "steps",
    "guidance_scale",
    "shift",
)


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What one engine does.

    Attributes:
        tasks: The values of `task_type` that it knows.
        follows: Those of the OPTIONAL fields that change its music.
    """

    tasks: frozenset[TaskType] = frozenset(get_args(TaskType))
    follows: frozenset[str] = frozenset(OPTIONAL)

    def refusals(self, wanted: JobRequest, engine: str) -> dict[str, str]:
        """Each field that this engine cannot follow, and what is wrong with it; nothing where all is well."""
        found: dict[str, str] = {}
        if wanted.task_type not in self.tasks:
            known = ", ".join(sorted(self.tasks))
            found["task_type"] = (
                f"{wanted.task_type!r} is nothing the engine {engine} can do; it does {known}"
            )
        for name in OPTIONAL:
            if name not in self.follows and getattr(wanted, name) is not None:
                found[name] = f"is not followed by the engine {engine}; leave it out"
        return found


KNOWN: Final = {
    "sketch": Capabilities(tasks=frozenset({"text2music"}), follows=frozenset()),
    "acestep": Capabilities(),
}


@lru_cache(64)
def of_model(queue: str) -> tuple[str, Capabilities | None]:
    """The engine that serves a model's queue, such as `sketch@1`, and what it can do where that is known."""
    name = queue.partition("@")[0]
    if name in KNOWN:
        return name, KNOWN[name]
    from importlib.metadata import entry_points

    for entry in entry_points(group="tutti.engines"):
        if entry.name == name:
            found = getattr(entry.load(), "capabilities", None)
            return name, found if isinstance(found, Capabilities) else None
    return name, None
