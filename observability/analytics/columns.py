"""Lines in columns: DuckDB reads them with the types that Elasticsearch's mappings give them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from observability.elastic.templates import PROPERTIES

MEMORY = "256MB"
TYPES = {
    "keyword": "VARCHAR",
    "text": "VARCHAR",
    "ip": "VARCHAR",
    "date": "TIMESTAMPTZ",
    "long": "BIGINT",
    "float": "DOUBLE",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
}
COLUMNS = {
    "action": "event.action",
    "outcome": "event.outcome",
    "duration": "event.duration",
    "host": "host.name",
    "ip": "source.ip",
    "job": "tutti.job.id",
    "key_id": "tutti.key.id",
    "chars": "tutti.prompt.chars",
    "hmac": "tutti.prompt.hmac",
    "audio": "tutti.audio.seconds",
    "engine": "tutti.engine",
    "lane": "tutti.lane",
    "gpu": "tutti.gpu.id",
    "busy": "tutti.gpu.busy",
    "memory": "tutti.gpu.memory",
    "temperature": "tutti.gpu.temperature",
    "cause": 'tutti.error."class"',
    "ours": "tutti.error.ours",
    "reason": "tutti.reason",
    "hit": "tutti.cache.hit",
    "saved": "tutti.cache.saved_seconds",
    "queue": "tutti.queue",
    "oldest": "tutti.queued.oldest_seconds",
    **{
        f"in_{stage}": f"tutti.timings.{stage}"
        for stage in PROPERTIES["tutti"]["properties"]["timings"]["properties"]
    },
}


def _type(mapping: dict[str, Any]) -> str:
    if "properties" in mapping:
        inside = ", ".join(f'"{name}" {_type(below)}' for name, below in mapping["properties"].items())
        return f"STRUCT({inside})"
    return TYPES[mapping["type"]]


def connect() -> duckdb.DuckDBPyConnection:
    """A database in memory that prints nothing: its progress bar would come between what we print."""
    database = duckdb.connect()
    database.execute("set enable_progress_bar = false; set timezone = 'UTC'; set threads = 2")
    database.execute(f"set memory_limit = '{MEMORY}'; set preserve_insertion_order = false")
    return database


def load(database: duckdb.DuckDBPyConnection, files: Sequence[Path], target: str | None) -> None:
    """Read lines into the table `kept`, or with `target` into a Parquet file, as the columns of `COLUMNS`.

    Lines that are no JSON, and values that do not fit their type, are passed over as Elasticsearch does it.
    The files have names of ours, without letters that DuckDB takes for a pattern.
    """
    columns = {
        name: _type(mapping)
        for name, mapping in PROPERTIES.items()
        if name in {"@timestamp", "event", "host", "source", "tutti"}
    }
    chosen = ", ".join(f'{path} as "{name}"' for name, path in COLUMNS.items())
    read = (
        "read_json(?, format='newline_delimited', ignore_errors=true, columns=?, maximum_object_size=4194304)"
    )
    there = [str(path) for path in files if path.stat().st_size]
    if there:
        query = f'select "@timestamp" as stamp, {chosen} from {read}'  # noqa: S608 - names of this module
        values: list[Any] = [there, columns]
    else:
        described = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        database.execute(f"create temp table raw ({described})")
        query, values = f'select "@timestamp" as stamp, {chosen} from raw', []  # noqa: S608
    if target is None:
        database.execute(f"create temp table kept as {query}", values)
    else:
        database.execute(f"copy ({query}) to '{target}' (format parquet, compression zstd)", values)


def span(database: duckdb.DuckDBPyConnection, path: Path) -> tuple[int, int]:
    """First and last time in a Parquet file, in milliseconds; zeros where it holds nothing."""
    query = "select epoch_ms(min(stamp)), epoch_ms(max(stamp)) from read_parquet(?)"
    first, last = database.execute(query, [[str(path)]]).fetchone() or (None, None)
    return int(first or 0), int(last or 0)


def merge(database: duckdb.DuckDBPyConnection, paths: Sequence[Path], target: Path) -> None:
    """Make one Parquet file of several."""
    query = f"copy (from read_parquet(?)) to '{target}' (format parquet, compression zstd)"
    database.execute(query, [[str(path) for path in paths]])
