"""What the tests' own processes inherit: this one's variables without settings, and the tests' engines."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
PASSED = {
    "PYTHONPATH": str(ROOT),
    "TUTTI_PASS_ENVIRONMENT": "PYTHONPATH LD_PRELOAD CLOCK_OFFSET FAULTS_WITHOUT",
}


def inherited() -> dict[str, str]:
    """The environment that a `tutti` of a test begins with."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TUTTI_")} | PASSED
