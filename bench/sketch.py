"""The sketch engine's speed and memory on one core, beside another player of the same score and font.

Ours composes, plays, balances, reverberates and masters; the peer only plays (rustysynth by midirenderer,
with its reverb and chorus). It is installed into a folder that is thrown away.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEER = "midirenderer==0.1.3"
LENGTHS = (10, 60, 600)
PROMPTS = (
    "calm lo-fi beat with soft piano, 80 bpm",
    "epic orchestral film score",
    "energetic rock song with electric guitars, 140 bpm",
)

OURS = """
import json, resource, sys, time
from pathlib import Path
from tasks.engines.engine import Song
from tasks.engines.sketch import SketchEngine
from tasks.jobs import JobRequest

seconds, folder, prompts = float(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
engine = SketchEngine()
engine.load()
took, ticks = [], []
for seed, prompt in enumerate(prompts):
    request = JobRequest(prompt=prompt, duration=seconds)
    begin = last = time.perf_counter()
    def progress(share, words):
        global last
        now = time.perf_counter()
        ticks.append(now - last)
        last = now
    audio = engine.generate(Song(job_id="bench", variation=1, seed=seed, request=request), progress)
    took.append(time.perf_counter() - begin)
    (folder / f"{seed}.mid").write_bytes(audio.midi)
    del audio
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"took": took, "memory": memory, "tick": max(ticks)}))
"""
THEIRS = """
import json, resource, sys, time
from pathlib import Path
import midirenderer

font, took = Path(sys.argv[1]).read_bytes(), []
for score in sys.argv[2:]:
    data = Path(score).read_bytes()
    begin = time.perf_counter()
    midirenderer.render_wave_from(font, data)
    took.append(time.perf_counter() - begin)
print(json.dumps({"took": took, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def main() -> None:
    from tasks.engines.sketch.sound.font import default_font

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # the children inherit it
    with tempfile.TemporaryDirectory() as folder:
        peer = install_peer(Path(folder, "peer"))
        for seconds in LENGTHS:
            ours = run(sys.executable, OURS, str(seconds), folder, *PROMPTS)
            line = f"{seconds:4d} s: {speed(seconds, ours)}, longest silence of progress {ours['tick']:.2f} s"
            if peer:
                scores = [str(Path(folder, f"{seed}.mid")) for seed in range(len(PROMPTS))]
                theirs = run(peer, THEIRS, str(default_font()), *scores)
                ratio = statistics.median(theirs["took"]) / statistics.median(ours["took"])
                line += f"; {PEER} {speed(seconds, theirs)}: ours runs at {ratio:.2f}x its speed"
            print(line, flush=True)


def run(python: str, program: str, *words: str) -> dict:
    done = subprocess.run(
        [python, "-c", program, *words], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def speed(seconds: int, ran: dict) -> str:
    """Times real time: the first song of a process, the median, and the process's peak memory."""
    first, median = seconds / ran["took"][0], seconds / statistics.median(ran["took"])
    return f"first song {first:.0f}x, median {median:.0f}x real time, {ran['memory']:.0f} MiB"


def install_peer(folder: Path) -> str | None:
    """The Python of a new environment with the peer in it, or None where it cannot be had."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PEER]
    if subprocess.run(pip, check=False, capture_output=True).returncode:
        print(f"the peer {PEER} cannot be installed here; ours alone")
        return None
    return python


if __name__ == "__main__":
    main()
