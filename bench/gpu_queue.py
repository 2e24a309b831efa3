"""From the queue to the file: songs a second through web app, ledger, dispatcher, broker, worker and storage.

    python -m bench.gpu_queue                        # full size, random weights, on this machine's GPUs
    python -m bench.gpu_queue --checkpoint FOLDER    # another checkpoint in diffusers' layout

All songs are submitted at once over HTTP; the figure is songs over the time from the first one's start to the
last one's file. `python -m bench.gpu` gives the engine's own figure.
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from bench.gpu_drive import LYRICS, PROMPT, SHORT_LYRICS, Busy
from tests.servers import tutti as server
from tests.servers.tutti import Tutti

SENDERS = 8
PATIENCE = 600.0  # seconds for all songs of one figure, the model's loading not counted


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--songs", default="60x192,10x768", help="SECONDSxCOUNT, with commas")
    parser.add_argument("--precision", default="auto")
    chosen = parser.parse_args(arguments or [])
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = chosen.checkpoint or _full_size(Path(folder, "model"))
        settings = {"engine": "acestep", "model": str(checkpoint), "precision": chosen.precision}
        with server.running(Path(folder, "var"), **settings) as tutti:
            first_song(tutti, 10.0)
            for text in chosen.songs.split(","):
                seconds, count = text.split("x")
                figure(tutti, float(seconds), int(count))


def _full_size(folder: Path) -> Path:
    """Written by a process of its own, so that this one leaves the GPU to the worker."""
    import subprocess

    code = "import sys; from pathlib import Path; from bench.full_size import save; save(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
    return folder


def first_song(tutti: Tutti, seconds: float) -> None:
    """From a cold start, the model's loading included; then once more, warm."""
    for name in ("cold", "warm"):
        begin = time.perf_counter()
        job = tutti.submit(PROMPT, duration=seconds, lyrics=SHORT_LYRICS, seed=int(begin))
        done = tutti.wait(job["id"], limit=PATIENCE)
        assert done["state"] == "succeeded", done
        print(
            f"first song of {seconds:g} s, {name}: {time.perf_counter() - begin:.2f} s to the file",
            flush=True,
        )


def figure(tutti: Tutti, seconds: float, count: int) -> None:
    """Submit all, wait for all, and say how fast they were."""
    for part in (count // 4, count):  # the first quarter warms the buckets up
        with Busy() as busy:
            jobs = finished(tutti, submit(tutti, seconds, part))
    begin = min(stamp(job["started_at"]) for job in jobs)
    end = max(stamp(job["finished_at"]) for job in jobs)
    got = len(jobs) / (end - begin)
    runs = [stamp(job["finished_at"]) - stamp(job["started_at"]) for job in jobs]
    print(
        f"queue to file, {count} songs of {seconds:g} s: {got:.2f} songs/s = {got * seconds:.0f}x real time; "
        f"claim to file {statistics.median(runs):.2f} s (median); {busy}",
        flush=True,
    )


def submit(tutti: Tutti, seconds: float, count: int) -> list[str]:
    lyrics = LYRICS if seconds >= 30 else SHORT_LYRICS
    base = time.time_ns() % 2**31
    with httpx.Client(base_url=tutti.url, timeout=60.0) as client, ThreadPoolExecutor(SENDERS) as pool:

        def send(number: int) -> str:
            body = {"prompt": PROMPT, "lyrics": lyrics, "duration": seconds, "seed": base + number}
            answer = client.post("/v1/jobs", json=body)
            answer.raise_for_status()
            return str(answer.json()["id"])

        return list(pool.map(send, range(count)))


def finished(tutti: Tutti, ids: list[str]) -> list[dict[str, Any]]:
    """Wait for all of them, the last submitted first, since it tells the most."""
    end = time.monotonic() + PATIENCE
    found = []
    with httpx.Client(base_url=tutti.url, timeout=60.0) as client:
        for job_id in reversed(ids):
            while (job := client.get(f"/v1/jobs/{job_id}").json())["state"] in {"queued", "running"}:
                assert time.monotonic() < end, f"{job_id} is {job['state']} after {PATIENCE} s"
                time.sleep(0.1)
            assert job["state"] == "succeeded", job
            found.append(job)
    return found


def stamp(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    main(sys.argv[1:])
