"""Where a saturated GPU spends its time, and where the host makes it wait.

    python -m bench.gpu_profile                          # 60 s and 10 s songs, bf16
    python -m bench.gpu_profile --precision fp8 --songs 60x16

Prints the kernels of some saturated seconds, grouped, and where the device waits between them; then the
host's own costs by function.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import itertools
import pstats
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from bench.gpu import say, start
from bench.gpu_drive import continuous, song
from tasks.engines.acestep import AceStepEngine

GAP = 20.0  # microseconds


def kernels(engine: AceStepEngine, seconds: float, places: int) -> None:
    count = 2 * places
    for _ in continuous(engine, (song(seconds, n) for n in range(3 * places)), places):
        pass
    with profile(activities=[ProfilerActivity.CUDA]) as watched:
        for _ in continuous(engine, (song(seconds, 1_000 + n) for n in range(count)), places):
            pass
        torch.cuda.synchronize()
    found = watched.profiler.kineto_results.events()
    events = [e for e in found if e.device_type().name == "CUDA" and not e.is_user_annotation()]
    table(events, f"{seconds:g} s x {places}", count)
    gaps(events)


def table(events: list[Any], label: str, count: int) -> None:
    spans = sorted((event.start_ns(), event.end_ns()) for event in events)
    busy, end = 0, 0
    for begin, stop in spans:
        busy += max(0, stop - max(begin, end))
        end = max(end, stop)
    whole = spans[-1][1] - spans[0][0]
    say(f"{label}: {whole / 1e6:.1f} ms for {count} songs, GPU busy {100 * busy / whole:.1f} %")
    totals: dict[str, list[float]] = defaultdict(list)
    for event in events:
        totals[re.sub(r"<.*|\(.*", "", event.name())[:90]].append(event.duration_ns() / 1e3)
    for name, took in sorted(totals.items(), key=lambda item: -sum(item[1]))[:32]:
        share, each = 1e5 * sum(took) / whole, sum(took) / 1e3 / count
        print(f"  {share:5.1f} % {each:7.3f} ms a song {len(took):6d} x {name}", flush=True)


def gaps(events: list[Any]) -> None:
    """What ran before the longest waits of the device."""
    order = sorted(events, key=lambda event: event.start_ns())
    waits: dict[str, list[float]] = defaultdict(list)
    for before, after in itertools.pairwise(order):
        wait = (after.start_ns() - before.end_ns()) / 1e3
        if wait > GAP:
            names = (re.sub(r"<.*|\(.*", "", event.name())[:44] for event in (before, after))
            waits[" -> ".join(names)].append(wait)
    for name, took in sorted(waits.items(), key=lambda item: -sum(item[1]))[:12]:
        print(f"  gap {sum(took) / 1e3:7.2f} ms in {len(took):4d}: {name}", flush=True)


def host(engine: AceStepEngine, seconds: float, places: int) -> None:
    meter = cProfile.Profile()
    meter.enable()
    for _ in continuous(engine, (song(seconds, 2_000 + n) for n in range(3 * places)), places):
        pass
    meter.disable()
    text = io.StringIO()
    stats = pstats.Stats(meter, stream=text)
    stats.sort_stats("tottime").print_stats(28)
    stats.sort_stats("cumtime").print_stats("acestep", 32)
    lines = [line for line in text.getvalue().splitlines() if line.strip()]
    print("\n".join(line.replace(str(Path.cwd()), "") for line in lines), flush=True)


@torch.inference_mode()
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--songs", default="60x16,10x64", help="SECONDSxPLACES, with commas")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--compiled", type=Path, default=Path("var/compiled"))
    chosen = parser.parse_args(arguments or [])
    engine = start(chosen.precision, chosen.compiled)
    for text in chosen.songs.split(","):
        seconds, places = text.split("x")
        kernels(engine, float(seconds), int(places))
        host(engine, float(seconds), int(places))


if __name__ == "__main__":
    main(sys.argv[1:])
