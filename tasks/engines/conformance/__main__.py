"""`python -m tasks.engines.conformance --engine NAME`, and what else pytest takes."""

from __future__ import annotations

import sys

import pytest

PLUGIN = "tasks.engines.conformance.plugin"


def main(arguments: list[str]) -> int:
    """Run the suite; the exit code is pytest's."""
    return int(pytest.main(["--pyargs", "tasks.engines.conformance", "-p", PLUGIN, *arguments]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
