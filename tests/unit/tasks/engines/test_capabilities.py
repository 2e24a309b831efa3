"""What engines can do is said of every field and task there is."""

from __future__ import annotations

from typing import get_args

import pytest

from tasks.engines import KNOWN as MODELS
from tasks.engines import capabilities
from tasks.jobs import JobRequest, TaskType

EVERYONES = {
    "prompt", "lyrics", "duration", "bpm", "key_scale", "time_signature", "vocal_language", "task_type",
    "seed", "variations", "format", "priority", "callback_url",
}  # fmt: skip


def test_each_field_of_a_request_is_every_engines_or_an_option() -> None:
    assert set(JobRequest.model_fields) == EVERYONES | set(capabilities.OPTIONAL)


def test_each_engine_of_ours_says_what_it_can_do() -> None:
    assert set(capabilities.KNOWN) == set(MODELS)
    for can in capabilities.KNOWN.values():
        assert can.tasks <= set(get_args(TaskType))
        assert can.follows <= set(capabilities.OPTIONAL)


@pytest.mark.parametrize("task", get_args(TaskType))
def test_a_task_is_refused_where_it_is_not_known(task: TaskType) -> None:
    source = None if task == "text2music" else "0" * 64
    wanted = JobRequest(prompt="a calm song", task_type=task, source_audio=source)
    name, can = capabilities.of_model("sketch@1")
    assert can
    assert ("task_type" in can.refusals(wanted, name)) == (task != "text2music")
    name, can = capabilities.of_model("acestep@1.5")
    assert can
    assert can.refusals(wanted, name) == {}


def test_of_an_unknown_engine_nothing_is_refused() -> None:
    assert capabilities.of_model("nobody@7") == ("nobody", None)
