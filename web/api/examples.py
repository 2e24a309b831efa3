"""An example of every answer, for `/openapi.json`; a test checks each against its own schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from web.api.views import EXAMPLE_ID, links
from web.request.problems import KINDS

TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
WISH: Final = {"prompt": "A calm lo-fi beat with soft piano, 80 bpm", "duration": 60.0, "seed": 7}
ACCEPTED: Final[Mapping[str, Any]] = {
    "id": EXAMPLE_ID, "state": "queued", "position": 1, "eta_seconds": 9.5, "trace_id": TRACE,
    "links": links(EXAMPLE_ID),
}  # fmt: skip
OUTPUT: Final[Mapping[str, Any]] = {
    "url": f"/output/{EXAMPLE_ID}.wav", "name": f"{EXAMPLE_ID}.wav", "format": "wav", "seconds": 60.0,
    "bytes": 11520044, "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "seed": 7, "variation": 1,
}  # fmt: skip
JOB: Final[Mapping[str, Any]] = {
    **ACCEPTED, "state": "succeeded", "position": None, "eta_seconds": None, "attempt": 1, "progress": 1.0,
    "stage": None, "request": WISH, "outputs": [OUTPUT], "error": None, "lane": "stable", "cache_hit": False,
    "timings": {"queue": 0.2, "condition": 0.1, "denoise": 4.2, "decode": 0.9, "encode": 0.3, "store": 0.1},
    "created_at": "2026-11-27T20:00:00Z", "started_at": "2026-11-27T20:00:00.2Z",
    "finished_at": "2026-11-27T20:00:05.8Z",
}  # fmt: skip
ITEM: Final = {
    "file": f"/v1/audio?path=%2Foutput%2F{EXAMPLE_ID}.mp3", "wave": "", "status": 1,
    "create_time": 1769000000, "prompt": "upbeat pop song", "lyrics": "", "seed_value": "7", "progress": 1.0,
    "stage": "succeeded",
}  # fmt: skip
MODEL: Final = {
    "name": "acestep-v15-turbo", "is_default": True, "is_loaded": True,
    "supported_task_types": ["text2music", "cover", "repaint", "extract", "lego", "complete"],
}  # fmt: skip
INVENTORY: Final = {
    "models": [MODEL], "default_model": MODEL["name"], "lm_models": [], "loaded_lm_model": None,
    "llm_initialized": False,
}  # fmt: skip
SERVED: Final = {
    "status": "ok", "service": "ACE-Step API", "version": "1.0", "models_initialized": True,
    "llm_initialized": False, "loaded_model": MODEL["name"], "loaded_lm_model": None,
}  # fmt: skip


def _wrapped(data: Any, notes: list[str] | None = None) -> dict[str, Any]:
    extra = {"notes": notes} if notes else None
    return {"data": data, "code": 200, "error": None, "timestamp": 1769000000000, "extra": extra}


LOADED: Final = {"message": "the workers load their model by themselves", "slot": 1, **INVENTORY}
CHAT_AUDIO: Final = [{"type": "audio_url", "audio_url": {"url": "data:audio/mpeg;base64,SUQz"}}]
CHAT: Final = {
    "id": f"chatcmpl-{EXAMPLE_ID}", "object": "chat.completion", "created": 1769000000,
    "model": "acestep/acestep-v15-turbo",
    "choices": [{
        "index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "## Metadata\n**BPM:** 80", "audio": CHAT_AUDIO},
    }],
    "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
}  # fmt: skip
ANSWERS: Final[Mapping[str, Any]] = {
    "post /v1/jobs": ACCEPTED,
    "get /v1/jobs": {"jobs": [JOB], "next_cursor": None},
    "get /v1/jobs/{job_id}": JOB,
    "post /v1/jobs/{job_id}/cancel": {**JOB, "state": "cancelled", "outputs": []},
    "post /v1/jobs/{job_id}/retry": ACCEPTED,
    "post /v1/uploads": {"id": OUTPUT["sha256"], "bytes": 529244, "seconds": 6.0},
    "get /v1/jobs/{job_id}/peaks/{variation}": {"peaks": [0.0, 0.42, 1.0], "seconds": 60.0},
    "post /generate": {
        "id": EXAMPLE_ID, "status": "succeeded", "url": f"http://127.0.0.1:8000{OUTPUT['url']}",
        "urls": [f"http://127.0.0.1:8000{OUTPUT['url']}"], "seconds": 60.0, "trace_id": TRACE,
    },
    "post /release_task": _wrapped(
        {"task_id": EXAMPLE_ID, "status": "queued", "queue_position": 1},
        ["thinking: the language model is not here, so it was left aside"],
    ),
    "post /query_result": _wrapped(
        [{"task_id": EXAMPLE_ID, "status": 1, "result": json.dumps([ITEM]), "progress_text": "succeeded"}]
    ),
    "get /v1/models": {
        "object": "list", "data": [{"id": "acestep/acestep-v15-turbo", "name": "ACE-Step acestep-v15-turbo"}],
        "models": [MODEL], "default_model": MODEL["name"], "code": 200, "error": None,
        "timestamp": 1769000000000,
    },
    "get /v1/model_inventory": _wrapped(INVENTORY),
    "post /v1/init": _wrapped(LOADED),
    "post /v1/reinitialize": _wrapped({"message": LOADED["message"], "reloaded": []}),
    "get /v1/stats": _wrapped({
        "jobs": {"total": 3, "queued": 0, "running": 1, "succeeded": 2, "failed": 0, "cancelled": 0},
        "queue_size": 0, "queue_maxsize": 100000, "avg_job_seconds": 5.4,
    }),
    "post /v1/lora/load": _wrapped({"message": "warm-tape is chosen", "adapter_name": "warm-tape"}),
    "post /v1/lora/unload": _wrapped({"message": "no adapter is chosen"}),
    "post /v1/lora/toggle": _wrapped({"message": "warm-tape is on", "use_lora": True}),
    "post /v1/lora/scale": _wrapped({"message": "taken", "scale": 1.0, "adapter_name": "warm-tape"}),
    "get /v1/lora/status": _wrapped({
        "lora_loaded": True, "use_lora": True, "lora_scale": 1.0, "adapter_type": "lora",
        "scales": {"warm-tape": 1.0}, "active_adapter": "warm-tape", "adapters": ["warm-tape"],
        "synthetic_default_mode": False,
    }),
    "post /create_random_sample": _wrapped(
        {"description": "a sunny bossa nova", "instrumental": True, "vocal_language": "en"}
    ),
    "post /format_input": _wrapped({"caption": "Calm solo piano, soft pedal", "lyrics": "", "bpm": 70}),
    "post /v1/create_sample": _wrapped({"caption": "A soft waltz for strings", "lyrics": "[Instrumental]"}),
    "post /v1/chat/completions": CHAT,
    "get /v1/admin/cluster": {
        "troubles": [], "broker": "answers",
        "parts": [{
            "kind": "worker", "name": "gpu0@music1", "node": "music1", "version": "0.1.0", "state": "well",
            "reason": None, "well": True, "silent_seconds": 2.1, "facts": {},
        }],
        "storage": {"music1": {"free": 750_000_000_000, "total": 1_000_000_000_000}},
        "queues": {"gpu": {"waiting": 1, "released": 0, "running": 1, "oldest_seconds": 0.4}},
    },
    "get /health": {
        "status": "healthy", "model_loaded": True, "gpu_memory_used": 9663676416,
        "gpu_memory_total": 85899345920, "workers": 1, "queued": 0, "devices": [], "data": SERVED,
        "code": 200,        "error": None, "timestamp": 1769000000000,
    },
}  # fmt: skip
"""Each operation's answer."""

PROBLEMS: Final[Mapping[str, Any]] = {
    kind.slug: {
        "summary": kind.title,
        "value": {
            "type": kind.uri,
            "title": kind.title,
            "status": kind.status,
            "detail": kind.meaning,
            "instance": "/v1/jobs",
            "trace_id": TRACE,
        },
    }
    for kind in KINDS.values()
}
"""Each type of problem."""

NEXT: Final[Mapping[str, tuple[str, str, str]]] = {
    "post /v1/jobs": ("202", "job_id", "$response.body#/id"),
    "post /v1/jobs/{job_id}/retry": ("202", "job_id", "$response.body#/id"),
}
"""Answers that name a job, whose other operations follow from it: status, parameter, where its id is."""
