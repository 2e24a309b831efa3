"""A day of traffic whose answers are known: 4 GPUs on 2 machines, one of them slow, one address gone wild."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tasks.jobs import ErrorClass

DAY = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
STEP = 1800
JOBS = 3000
AUDIO = (10.0, 60.0, 120.0, 240.0)
GPUS = ("stage-1-0", "stage-1-1", "stage-2-0", "stage-2-1")
SLOW, SLOWNESS = "stage-2-1", 1.6
WILD = "203.0.113.66"
QUIET = "203.0.113.7"  # asks six times and is refused each time
NEVER = 6
STAGES = {"condition": 0.5, "denoise": 3.0, "decode": 0.25, "encode": 0.125, "store": 0.125}
CLASSES = ("out_of_memory", "storage_full", "worker_lost", "cancelled_by_user")


@dataclass
class Day:
    """The lines of a day by part, and the jobs they tell of."""

    lines: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {"web": [], "worker": [], "dispatch": []}
    )
    jobs: list[dict[str, Any]] = field(default_factory=list)

    def write(self, folder: Path) -> list[Path]:
        """Put the lines into files, as the parts of Tutti do."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for part, lines in self.lines.items():
            lines.sort(key=lambda line: line["@timestamp"])
            path = folder / f"{part}.jsonl"
            path.write_bytes(b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))
            paths.append(path)
        return paths


def day(seed: int = 11) -> Day:
    """Make the day."""
    made, chance = Day(), random.Random(seed)
    for number in range(JOBS):
        _job(made, chance, number)
    for number in range(400):
        _refused(made, chance, number)
    for number in range(NEVER):
        _never(made, number)
    for number in range(60):
        _now_and_then(made, number)
    _heartbeats(made, chance)
    return made


def _at(seconds: float) -> str:
    return (DAY + dt.timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _line(part: str, at: float, action: str, host: str, **more: Any) -> dict[str, Any]:
    event = {"action": action, "dataset": f"tutti.{part}", **more.pop("event", {})}
    return {
        "@timestamp": _at(at),
        "event": event,
        "service": {"name": f"tutti-{part}"},
        "host": {"name": host},
        **more,
    }


def _job(made: Day, chance: random.Random, number: int) -> None:
    at = chance.uniform(0, 86_000)
    chars, audio = chance.randint(5, 1999), chance.choice(AUDIO)
    gpu = chance.choice(GPUS)
    lane = "canary" if chance.random() < 0.1 else "stable"
    slow = SLOWNESS if gpu == SLOW else 1.0
    seconds = (4 + 0.006 * chars + 0.22 * audio + chance.gauss(0, 0.5)) * slow
    hit, failed = chance.random() < 0.12, chance.random() < (0.2 if lane == "canary" else 0.05)
    ip = f"192.0.2.{chance.randint(1, 40)}"
    job = {
        "id": f"a_{number:026d}",
        "time": int((DAY.timestamp() + at) // STEP * STEP * 1000),
        "chars": chars,
        "audio": audio,
        "gpu": gpu,
        "host": gpu.rsplit("-", 1)[0],
        "lane": lane,
        "hit": hit and not failed,
        "failed": chance.choice(CLASSES) if failed else None,
        "ns": round(seconds * 1e9),
        "wait": round(chance.expovariate(0.2), 3),
        "ip": ip,
        "hmac": f"h{number}",
    }
    made.jobs.append(job)
    made.lines["web"].append(_accepted(job, at - 0.001))
    made.lines["worker"].append(_ended(job, at))


def _accepted(job: dict[str, Any], at: float) -> dict[str, Any]:
    tutti = {
        "job": {"id": job["id"]},
        "prompt": {"chars": job["chars"], "hmac": job["hmac"]},
        "key": {"id": "k1"},
    }
    return _line("web", max(at, 0), "job.accepted", "web-1", source={"ip": job["ip"]}, tutti=tutti)


def _ended(job: dict[str, Any], at: float) -> dict[str, Any]:
    stages = {
        "queue": job["wait"],
        "condition": 0.5,
        "denoise": 3.0,
        "decode": 0.25,
        "encode": 0.125,
        "store": 0.125,
    }
    tutti: dict[str, Any] = {
        "job": {"id": job["id"]},
        "prompt": {"chars": job["chars"]},
        "audio": {"seconds": job["audio"]},
        "gpu": {"id": job["gpu"]},
        "lane": job["lane"],
        "engine": "acestep",
        "timings": stages,
    }
    if job["failed"]:
        tutti["error"] = {"class": job["failed"], "ours": ErrorClass(job["failed"]).ours}
        return _line("worker", at, "job.failed", job["host"], event={"outcome": "failure"}, tutti=tutti)
    if job["hit"]:
        tutti["cache"] = {"hit": True, "saved_seconds": round(job["ns"] / 1e9, 3)}
    event = {"outcome": "success", "duration": 1_000_000 if job["hit"] else job["ns"]}
    return _line("worker", at, "job.succeeded", job["host"], event=event, tutti=tutti)


def _refused(made: Day, chance: random.Random, number: int) -> None:
    tutti = {"reason": "rate_limited", "prompt": {"chars": 6, "hmac": f"wild{number % 3}"}}
    at = chance.uniform(40_000, 43_000)
    made.lines["web"].append(_line("web", at, "job.refused", "web-1", source={"ip": WILD}, tutti=tutti))


def _never(made: Day, number: int) -> None:
    tutti = {"reason": "rate_limited", "prompt": {"chars": 80, "hmac": f"quiet{number}"}}
    made.lines["web"].append(
        _line("web", 7200.0 * number, "job.refused", "web-1", source={"ip": QUIET}, tutti=tutti)
    )


def _now_and_then(made: Day, number: int) -> None:
    """One of sixty addresses that ask, and are refused, more often than the quiet one, but not always."""
    ip = f"198.51.100.{number + 1}"
    for asked in range(9 + number):
        action = "job.refused" if asked else "job.accepted"
        tutti = {"prompt": {"chars": 80, "hmac": f"{ip}-{asked}"}}
        at = 600.0 * asked + number
        made.lines["web"].append(_line("web", at, action, "web-1", source={"ip": ip}, tutti=tutti))


def _heartbeats(made: Day, chance: random.Random) -> None:
    for at in range(0, 86_400, 300):
        for index, gpu in enumerate(GPUS):
            card = {"memory": (6 + 2 * index) << 30, "temperature": 50.0 + 5 * index + at % 7}
            tutti = {"gpu": {"id": gpu, "busy": 0.2 * (index + 1), **card}}
            made.lines["worker"].append(_line("worker", at, "worker.heartbeat", gpu[:7], tutti=tutti))
        for queue in ("acestep@1", "gpu.stage-1.0"):
            tutti = {"queue": queue, "queued": {"depth": 3, "oldest_seconds": float(at % 1700)}}
            made.lines["dispatch"].append(_line("dispatch", at, "queue.state", "web-1", tutti=tutti))
