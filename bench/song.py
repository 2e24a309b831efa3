"""Submit-to-file time of a 60 s song through the whole of one machine, beside the engine alone."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.servers import tutti as server
from tests.servers.tutti import ROOT, Tutti

RUNS = 5
PROMPT = "calm lo-fi beat with soft piano, 80 bpm"
ENGINE_ALONE = """
import sys, time
from pathlib import Path
from tasks.audio.encoding import encode
from tasks.engines import load_engine
from tasks.engines.engine import Song
from tasks.jobs import JobRequest
from tasks.settings import Settings

engine = load_engine(Settings(engine="sketch"))
engine.load()
for seed in range(int(sys.argv[1])):
    begin = time.perf_counter()
    request = JobRequest(prompt=sys.argv[2], duration=60, seed=seed)
    state = engine.admit(Song(job_id="bench", variation=1, seed=seed, request=request))
    while not state.done:
        engine.step([state])
    audio = engine.decode(state)
    encode(audio.samples, audio.sample_rate, Path(sys.argv[3], "song.wav"), "wav")
    print(time.perf_counter() - begin)
"""


def main() -> None:
    alone = statistics.median(engine_alone())
    with (
        tempfile.TemporaryDirectory() as folder,
        server.running(Path(folder, "var"), engine="sketch") as tutti,
    ):
        tutti.wait(tutti.submit(PROMPT, duration=5)["id"])  # the engine's process is warm from here on
        whole = statistics.median(submit_to_file(tutti, seed) for seed in range(RUNS))
    print(f"60 s song, submit to file: {whole:.2f} s")
    print(f"engine and encoder alone: {alone:.2f} s; the whole takes {whole / alone:.2f}x of it")


def submit_to_file(tutti: Tutti, seed: int) -> float:
    begin = time.perf_counter()
    job = tutti.wait(tutti.submit(PROMPT, duration=60, seed=seed)["id"])
    assert job["state"] == "succeeded", job
    return time.perf_counter() - begin


def engine_alone() -> list[float]:
    """Seconds that the engine and the encoder take in a process of their own, the imports left out."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-c", ENGINE_ALONE, str(RUNS), PROMPT, folder]
        printed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [float(line) for line in printed.split()]


if __name__ == "__main__":
    main()
