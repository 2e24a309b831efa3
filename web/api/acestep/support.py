"""What the model that is served can do, as far as this API has to know: the one place that says it."""

from __future__ import annotations

from typing import Final, get_args

from tasks.jobs import TaskType
from tasks.queue.names import version_of
from tasks.settings import Settings
from web.api.accept import capabilities_of
from web.request.state import AppState

PREFIX: Final = "acestep/"


def served(state: AppState) -> str:
    """The shared queue of the model that makes the next song, such as `acestep@1.5`."""
    return state.route.shared()[1]


def models(state: AppState) -> list[str]:
    """All models that live workers serve, and the one that makes the next song."""
    queues = {queue for worker in state.route.workers if worker.alive for queue in worker.queues}
    return sorted({served(state)} | {queue for queue in queues if "@" in queue})


def tasks_of(queue: str, state: AppState) -> list[str]:
    """What a model can be asked for, in the order of the vocabulary."""
    can = capabilities_of(state, queue)
    return [task for task in get_args(TaskType) if can is None or task in can.tasks]


def names_of(queue: str, settings: Settings) -> tuple[str, ...]:
    """What clients may call a model; the first is what this API calls it."""
    engine = queue.partition("@")[0]
    if engine != "acestep":
        return (engine, queue)
    checkpoint = settings.model.rstrip("/").rpartition("/")[2]
    return (checkpoint.removesuffix("-diffusers"), checkpoint, settings.model, engine, queue)


def find(name: str, state: AppState) -> str | None:
    """The served model that a client means: by any of its names, whatever stands before a slash."""
    last = name.rpartition("/")[2]
    for queue in models(state):
        if {name, last} & set(names_of(queue, state.settings)):
            return queue
    return None


def is_loaded(queue: str, state: AppState) -> bool:
    """Whether a live worker holds the model now."""
    return any(
        worker.model_loaded and queue in worker.queues for worker in state.route.workers if worker.alive
    )


def version(queue: str) -> str:
    """The model's version."""
    return version_of(queue)
