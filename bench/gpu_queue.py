"""From the queue to the file: songs a second through web app, ledger, dispatcher, broker, worker and storage.

    python -m bench.gpu_queue                        # full size, random weights, on this machine's first GPU
    python -m bench.gpu_queue --gpus 2               # then the same with a second worker, as a ratio
    python -m bench.gpu_queue --checkpoint FOLDER    # another checkpoint in diffusers' layout

All songs of a figure are submitted at once over HTTP; the figure is songs over the time from the first one's
start to the last one's file. `python -m bench.gpu` gives the engine's own figure.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from bench.gpu_drive import PROMPT, Busy, words
from tests.servers import tutti as server
from tests.servers.tutti import ROOT, Tutti

SENDERS = 8
PATIENCE = 600.0  # seconds for all songs of one figure, the model's loading not counted
ALONE = 12  # songs, one after another
UNLOAD = 5  # seconds without work until the model leaves, in the second start


def say(text: str) -> None:
    print(text, flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--songs", default="60x192,10x768", help="SECONDSxCOUNT, with commas")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--storage", type=Path, help="folder of the songs; default: beside the ledger")
    parser.add_argument("--gpus", type=int, default=1)
    chosen = parser.parse_args(arguments or [])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = chosen.checkpoint or _full_size(folder / "model")
        settings = {"engine": "acestep", "model": str(checkpoint), "precision": chosen.precision}
        storage = chosen.storage or folder / "output"
        settings["storage"] = str(storage)
        say(f"storage: {written_and_flushed(storage):.0f} MB/s written and flushed by {SENDERS} threads")
        with server.running(folder / "var", **settings) as tutti:
            first_song(tutti, "cold")
            lengths = [float(text.split("x")[0]) for text in chosen.songs.split(",")]
            for seconds in lengths:
                idle(tutti, seconds)
            one = figures(tutti, chosen.songs)
            if chosen.gpus > 1:
                with more_workers(tutti, settings, chosen.gpus):
                    for song, rate in figures(tutti, chosen.songs).items():
                        say(f"{chosen.gpus} GPUs, {song}: {rate / one[song]:.2f}x of one")
        with server.running(folder / "var", idle_unload=str(UNLOAD), **settings) as tutti:
            first_song(tutti, "warm: compiled code on disk")
            unloaded(tutti)
            first_song(tutti, "again after the model had left")


def _full_size(folder: Path) -> Path:
    """Written by a process of its own, so that this one leaves the GPU to the worker."""
    import subprocess

    code = "import sys; from pathlib import Path; from bench.full_size import save; save(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
    return folder


def written_and_flushed(folder: Path) -> float:
    """What the disk takes, in files of a minute's size."""
    folder.mkdir(parents=True, exist_ok=True)
    data = os.urandom(11_520_044)

    def write(number: int) -> None:
        path = folder / f"probe-{number}"
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        path.unlink()

    begin = time.perf_counter()
    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(write, range(4 * SENDERS)))
    return 4 * SENDERS * len(data) / 1e6 / (time.perf_counter() - begin)


def first_song(tutti: Tutti, name: str) -> None:
    """The model's loading included; what people are told while they wait."""
    begin = time.perf_counter()
    job = tutti.submit(PROMPT, duration=10.0, lyrics=words(10.0), seed=int(begin))
    told: list[str] = []
    while (job := tutti.job(job["id"]))["state"] in {"queued", "running"}:
        if job["stage"] and job["stage"] not in told:
            told.append(job["stage"])
        assert time.perf_counter() - begin < PATIENCE, job
        time.sleep(0.02)
    assert job["state"] == "succeeded", job
    say(f"first song of 10 s, {name}: {time.perf_counter() - begin:.2f} s to the file; told: {told[:3]}")
    for line in (tutti.data / "log" / "worker.jsonl").read_text().splitlines()[-400:]:
        if (entry := json.loads(line)).get("event", {}).get("action") == "engine.loaded":
            found = entry
    start = found["tutti"]["start"]
    say(f"  {found['message']}; read {start['read_seconds']:.1f} s, prepare {start['prepare_seconds']:.1f} s")


def unloaded(tutti: Tutti) -> None:
    """Wait until the worker says that the model is there, then that it has left, and what is left of it."""
    begin = time.perf_counter()
    for loaded in (True, False):
        while device(tutti)["model_loaded"] is not loaded:
            assert time.perf_counter() - begin < PATIENCE
            time.sleep(0.1)
    say(f"unloaded {time.perf_counter() - begin:.1f} s after the last song; {vitals(tutti)}")


def device(tutti: Tutti) -> dict[str, Any]:
    return dict(httpx.get(f"{tutti.url}/health").json()["devices"][0])


def vitals(tutti: Tutti) -> str:
    found = device(tutti)
    memory = (found["gpu_memory_used"] or 0) / 2**30
    return (
        f"health: model loaded {found['model_loaded']}, {memory:.1f} GiB used, busy {found['gpu_busy']}, "
        f"{found['temperature']} C"
    )


def idle(tutti: Tutti, seconds: float) -> None:
    """One song at a time on an idle GPU: from its acceptance to its file, by the ledger's clock."""
    jobs = [finished(tutti, submit(tutti, seconds, 1))[0] for _ in range(ALONE)][2:]
    whole = sorted(stamp(job["finished_at"]) - stamp(job["created_at"]) for job in jobs)
    stages = {name: statistics.median(job["timings"][name] for job in jobs) for name in jobs[0]["timings"]}
    parts = ", ".join(f"{name} {value * 1e3:.0f}" for name, value in stages.items())
    say(
        f"idle, one song of {seconds:g} s: {statistics.median(whole) * 1e3:.0f} ms from acceptance to file "
        f"(worst of {len(whole)}: {whole[-1] * 1e3:.0f}); medians: {parts} ms"
    )


def figures(tutti: Tutti, songs: str) -> dict[str, float]:
    return {text: figure(tutti, *map(float, text.split("x"))) for text in songs.split(",")}


def figure(tutti: Tutti, seconds: float, number: float) -> float:
    """Submit all, wait for all, and say how fast they were."""
    count = int(number)
    for part in (count // 4, count):  # the first quarter warms the buckets up
        with Busy() as busy:
            jobs = finished(tutti, submit(tutti, seconds, part))
    begin = min(stamp(job["started_at"]) for job in jobs)
    end = max(stamp(job["finished_at"]) for job in jobs)
    got = len(jobs) / (end - begin)
    stages = {name: statistics.median(job["timings"][name] for job in jobs) for name in jobs[0]["timings"]}
    parts = ", ".join(f"{name} {value:.2f}" for name, value in stages.items())
    say(
        f"queue to file, {count} songs of {seconds:g} s: {got:.2f} songs/s = {got * seconds:.0f}x real time; "
        f"{busy}; median s: {parts}; {vitals(tutti)}"
    )
    return got


@contextlib.contextmanager
def more_workers(tutti: Tutti, settings: dict[str, str], gpus: int) -> Iterator[None]:
    """A worker for each further GPU; ready once the model is loaded everywhere."""
    import subprocess

    chosen = settings | {"data": str(tutti.data), "warm_up": "true"}
    environment = os.environ | {f"TUTTI_{name.upper()}": value for name, value in chosen.items()}
    command = [sys.executable, "-m", "compose.cli", "worker"]
    workers = [
        subprocess.Popen(command, env=environment | {"TUTTI_DEVICE": str(number)}, cwd=ROOT)
        for number in range(1, gpus)
    ]
    try:
        end = time.monotonic() + PATIENCE
        while sum(one["model_loaded"] for one in httpx.get(f"{tutti.url}/health").json()["devices"]) < gpus:
            assert time.monotonic() < end, "the further workers did not load the model"
            time.sleep(0.5)
        yield
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(60)


def submit(tutti: Tutti, seconds: float, count: int) -> list[str]:
    base = time.time_ns() % 2**31
    with httpx.Client(base_url=tutti.url, timeout=60.0) as client, ThreadPoolExecutor(SENDERS) as pool:

        def send(number: int) -> str:
            body = {"prompt": PROMPT, "lyrics": words(seconds), "duration": seconds, "seed": base + number}
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
