"""`make fuzz`: every target in turn, until the time is up.

    python -m tests.security.fuzz --minutes 5        (make fuzz MINUTES=5)

Each target says what it feeds its parser with and what may come of that. The tests run a few examples of
each, the same ones every time; this command draws new ones until its time is up, and ends with 1 where one
broke.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from tests.security.fuzz import TARGETS, Target


def main() -> int:
    """Fuzz every target in turn until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    until = time.monotonic() + parser.parse_args().minutes * 60
    examples, broken = dict.fromkeys((target.name for target in TARGETS), 0), set[str]()
    for target in itertools.cycle(TARGETS):
        if time.monotonic() >= until or len(broken) == len(TARGETS):
            break
        if target.name not in broken and not _run(target, examples):
            broken.add(target.name)
    for name, number in examples.items():
        print(f"{name:20} {number:8,} examples{'   BROKE' if name in broken else ''}")
    return int(bool(broken))


def _run(target: Target, examples: dict[str, int]) -> bool:
    @settings(
        max_examples=target.examples, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(target.strategy)
    def run(value: Any) -> None:
        examples[target.name] += 1
        target.check(value)

    try:
        run()
    except Exception as error:
        notes = "\n".join(getattr(error, "__notes__", []))
        print(f"{target.name} broke: {type(error).__name__}: {error}\n{notes}")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
