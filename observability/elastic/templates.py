"""Component and index templates of Tutti's data streams, `logs-tutti.<part>-<namespace>`.

Every field a panel or an alert reads is mapped here, so that neither the server's built-in mappings nor the
first document decides its type. Names: Elastic Common Schema 9; own fields lie under `tutti`.
"""

from __future__ import annotations

from typing import Any

VERSION = 3  # raise it with every change below; `tutti observe setup` then upgrades what it finds
PATTERN = "logs-tutti.*-*"
PRIORITY = 250  # above the server's own `logs-*-*` (100) and integrations' (200)
NAME = "tutti-logs"
BUILT_IN = ("logs@mappings", "logs@settings", "ecs@mappings")
CUSTOM = f"{NAME}@custom"  # an operator's own additions, never written by us

KEYWORD = {"type": "keyword", "ignore_above": 1024}
TEXT = {"type": "text"}
LONG = {"type": "long"}
FLOAT = {"type": "float"}
DOUBLE = {"type": "double"}
BOOLEAN = {"type": "boolean"}
SHORT_TEXT = {"type": "keyword", "ignore_above": 512}
STORED_ONLY = {"type": "keyword", "index": False, "doc_values": False}


def _object(**fields: dict[str, Any]) -> dict[str, Any]:
    return {"properties": fields}


SHIPPED = ("delivered", "repeated", "found", "repaired", "failure_store", "dead", "again")
STAGES = ("queue", "condition", "denoise", "decode", "encode", "store")
ENDED = _object(ended=LONG, failed=LONG, failed_share=DOUBLE)

TUTTI = _object(
    job=_object(id=KEYWORD, created=BOOLEAN),
    attempt=LONG,
    key=_object(id=KEYWORD),
    prompt=_object(chars=LONG, hmac=KEYWORD),
    lyrics=_object(chars=LONG),
    audio=_object(seconds=DOUBLE),
    steps=LONG,
    variations=LONG,
    batch=_object(size=LONG),
    engine=KEYWORD,
    model=_object(version=KEYWORD),
    lane=KEYWORD,
    gpu=_object(
        id=KEYWORD,
        name=KEYWORD,
        busy=FLOAT,
        memory=LONG,
        temperature=FLOAT,
        pace=_object(jobs=LONG, cost=DOUBLE, times_median=DOUBLE),
    ),
    worker=_object(
        id=KEYWORD,
        running=LONG,
        oldest_running_seconds=DOUBLE,
        silent_seconds=DOUBLE,
        model_loaded=BOOLEAN,
        obstacle=KEYWORD,
    ),
    service=_object(open=_object(jobs=LONG, oldest_seconds=DOUBLE), hour=ENDED, recent=ENDED),
    canary=_object(**ENDED["properties"], stable=ENDED, failed_more=DOUBLE),
    queue=KEYWORD,
    queued=_object(depth=LONG, oldest_seconds=DOUBLE),
    storage=_object(free_bytes=LONG, total_bytes=LONG, used_ratio=DOUBLE),
    cache=_object(hit=BOOLEAN, saved_seconds=DOUBLE),
    upstream=_object(address=KEYWORD, status=KEYWORD, seconds=KEYWORD),
    error={"properties": {"class": KEYWORD, "ours": BOOLEAN}},
    reason=KEYWORD,
    timings=_object(**dict.fromkeys(STAGES, DOUBLE)),
    certificate=_object(days_left=DOUBLE),
    shipper=_object(
        stream=KEYWORD,
        attempts=LONG,
        patterns=KEYWORD,
        lines=_object(**dict.fromkeys(SHIPPED, LONG)),
        unacknowledged_seconds=DOUBLE,
    ),
)

PROPERTIES: dict[str, Any] = {
    "@timestamp": {"type": "date"},
    "message": TEXT,
    "ecs": _object(version=KEYWORD),
    "event": _object(
        id=KEYWORD, action=KEYWORD, dataset=KEYWORD, outcome=KEYWORD, reason=SHORT_TEXT, duration=LONG
    ),
    "log": _object(level=KEYWORD, logger=KEYWORD),
    "service": _object(name=KEYWORD, version=KEYWORD),
    "host": _object(name=KEYWORD),
    "process": _object(pid=LONG, name=KEYWORD),
    "trace": _object(id=KEYWORD),
    "source": _object(ip={"type": "ip"}, address=KEYWORD),
    "client": _object(ip={"type": "ip"}),
    "url": _object(path=KEYWORD, domain=KEYWORD),
    "user_agent": _object(original=SHORT_TEXT),
    "http": _object(
        version=KEYWORD,
        request=_object(id=KEYWORD, method=KEYWORD, bytes=LONG, body=_object(bytes=LONG)),
        response=_object(status_code=LONG, body=_object(bytes=LONG)),
    ),
    "error": _object(type=KEYWORD, message=TEXT, stack_trace=STORED_ONLY),
    "tutti": TUTTI,
}


def meta() -> dict[str, Any]:
    """The mark by which setup knows its own work and its version."""
    return {"managed_by": "tutti", "version": VERSION}


def component_templates() -> dict[str, dict[str, Any]]:
    """The component templates by name."""
    settings = {
        "index": {
            "mode": "logsdb",
            "mapping": {
                "ignore_malformed": True,
                "total_fields": {"limit": 1000, "ignore_dynamic_beyond_limit": True},
            },
            "lifecycle": {"prefer_ilm": False},
        }
    }
    strings = {"strings": {"match_mapping_type": "string", "mapping": KEYWORD}}
    mappings = {"dynamic_templates": [strings], "properties": PROPERTIES}
    return {
        f"{NAME}@mappings": {"template": {"mappings": mappings}, "version": VERSION, "_meta": meta()},
        f"{NAME}@settings": {"template": {"settings": settings}, "version": VERSION, "_meta": meta()},
    }


def failure_store(days: int) -> dict[str, Any]:
    """The options of a data stream: lines that do not fit are kept beside it, for so many days."""
    lifecycle = {"enabled": True, "data_retention": f"{days}d"}
    return {"failure_store": {"enabled": True, "lifecycle": lifecycle}}


def index_template(retention_days: int, failure_days: int | None) -> dict[str, Any]:
    """The index template.

    Args:
        retention_days: How long lines are kept.
        failure_days: How long lines are kept that do not fit; None for a server that has no failure store.
    """
    template: dict[str, Any] = {"lifecycle": {"enabled": True, "data_retention": f"{retention_days}d"}}
    if failure_days is not None:
        template["data_stream_options"] = failure_store(failure_days)
    return {
        "index_patterns": [PATTERN],
        "data_stream": {},
        "priority": PRIORITY,
        "composed_of": [*BUILT_IN, f"{NAME}@mappings", f"{NAME}@settings", CUSTOM],
        "ignore_missing_component_templates": [*BUILT_IN, CUSTOM],
        "template": template,
        "version": VERSION,
        "_meta": meta() | {"retention_days": retention_days, "failure_days": failure_days},
    }


def shipper_role() -> dict[str, Any]:
    """What the shipper's key may do: append, and look for what it appended. Nothing else, nowhere else."""
    return {
        "tutti-ship": {
            "cluster": ["monitor"],
            "indices": [
                {
                    "names": [PATTERN],
                    "privileges": ["auto_configure", "create_doc", "read", "view_index_metadata"],
                }
            ],
        }
    }
