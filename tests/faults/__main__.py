"""`python -m tests.faults [--runs 20] [--only NAME] [--at-once 4]`: every fault, and its controls."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.faults.faults import FAULTS
from tests.faults.rounds import prepare, row

HEAD = "fault | runs | jobs | lost | doubled | partial files | worst recovery s | unlogged | else | controls"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--only", default="", help="part of a name; several with commas")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--at-once", type=int, default=4, help="faults that run beside each other")
    parser.add_argument("--loud", action="store_true", help="show what the parts print")
    asked = parser.parse_args()
    wanted = asked.only.split(",")
    chosen = [number for number, one in enumerate(FAULTS) if any(part in one.name for part in wanted)]
    print(f"seed {asked.seed}\n{HEAD}", flush=True)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        asked.at_once, mp_context=spawn, initializer=prepare, initargs=(asked.loud,)
    ) as pool:
        rows = [pool.submit(row, number, asked.runs, asked.seed) for number in chosen]
        right = True
        for one in as_completed(rows):  # a row is told as soon as it is known
            line, holds = one.result()
            print(line, flush=True)
            right &= holds
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
