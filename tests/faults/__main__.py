"""`python -m tests.faults [--runs 20] [--only NAME] [--seed N]`: every fault many times, and its control."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.faults import FAULTS, Fault, scene, strike
from tests.faults.invariant import Verdict
from tests.faults.patch import patched

LIMIT = 60.0  # seconds in which every job has to be final
CONTROL_LIMIT = 20.0


def run(fault: Fault, runs: int, seed: int, *, limit: float = LIMIT) -> Verdict:
    """Strike `runs` times in one cell."""
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder), random.Random(seed), fault) as made:
        total = Verdict()
        for _ in range(runs):
            total += strike(made, fault, limit)
        return total


def control(fault: Fault, seed: int) -> bool:
    """Whether the check notices that the safeguard is out."""
    dice = random.Random(seed)
    with (
        tempfile.TemporaryDirectory() as folder,
        patched(fault),
        scene(Path(folder), dice, fault, sabotaged=True) as made,
    ):
        return any(not strike(made, fault, CONTROL_LIMIT).holds for _ in range(5))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    print(f"seed {asked.seed}")
    print("fault | runs | jobs | lost | doubled | partial files | worst recovery s | control without")
    right = True
    for fault in (one for one in FAULTS if asked.only in one.name):
        found = run(fault, asked.runs, asked.seed)
        noticed = control(fault, asked.seed)
        numbers = f"{asked.runs} | {found.jobs} | {found.lost} | {found.doubled} | {found.partial}"
        seen = f"{fault.safeguard}: {'noticed' if noticed else 'NOT NOTICED'}"
        print(f"{fault.name} | {numbers} | {found.recovery:.1f} | {seen}", flush=True)
        right &= found.holds and noticed
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
