"""`/query_result`: how tasks stand, in the shape that ACE-Step's clients read."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from tasks.jobs import Job, JobState
from web.api import views

STATUS = {
    JobState.QUEUED: 0,
    JobState.RUNNING: 0,
    JobState.SUCCEEDED: 1,
    JobState.FAILED: 2,
    JobState.CANCELLED: 2,
}
ABSENT = "N/A"


def result(task_id: str, job: Job | None, link: views.Link, model: str) -> dict[str, Any]:
    """One task; of one that is not known they say that it is waiting, with an empty result."""
    if job is None:
        told = "There is no task of this id, or it has expired."
        return {"task_id": task_id, "status": 0, "result": "[]", "progress_text": told}
    files = songs(job, link)
    items = [_item(job, item, model) for item in files] or [_item(job, None, model)]
    text = job.error.detail if job.error else job.stage or job.state.value
    return {
        "task_id": task_id,
        "status": STATUS[job.state],
        "result": orjson.dumps(items).decode(),
        "progress_text": text,
    }


def songs(job: Job, link: views.Link) -> list[dict[str, Any]]:
    """The job's audio, without the score."""
    return [item for item in views.outputs(job, link) if item["format"] != "mid"]


def file_of(output: dict[str, Any]) -> str:
    """The address of a song as their clients fetch it."""
    return f"/v1/audio?path={quote(output['url'], safe='')}"


def _item(job: Job, output: dict[str, Any] | None, model: str) -> dict[str, Any]:
    wanted = job.request
    return {
        "file": file_of(output) if output and output["url"] else "",
        "wave": "",
        "status": STATUS[job.state],
        "create_time": int(job.created_at.timestamp()),
        "env": "tutti",
        "prompt": wanted.prompt,
        "lyrics": wanted.lyrics,
        "metas": metas(job),
        "generation_info": _info(job),
        "seed_value": ",".join(
            str(item.seed) for item in job.outputs if item.seed is not None and item.format != "mid"
        ),
        "lm_model": "",
        "dit_model": model,
        "progress": 1.0 if job.state is JobState.SUCCEEDED else job.progress,
        "stage": job.stage or job.state.value,
        "error": job.error.detail if job.error else None,
    }


def metas(job: Job) -> dict[str, Any]:
    """What was asked for, with their word for what was not."""
    wanted = job.request
    return {
        "bpm": wanted.bpm or ABSENT,
        "duration": wanted.duration,
        "genres": ABSENT,
        "keyscale": wanted.key_scale or ABSENT,
        "timesignature": (wanted.time_signature or "").partition("/")[0] or ABSENT,
        "prompt": wanted.prompt,
        "lyrics": wanted.lyrics,
    }


def _info(job: Job) -> str:
    if job.state is not JobState.SUCCEEDED:
        return ""
    spent = job.timings
    words = {"queue": spent.queue, "denoise": spent.denoise, "decode": spent.decode, "encode": spent.encode}
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in words.items())
