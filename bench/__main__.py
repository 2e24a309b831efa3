"""Every figure that the README states: `make bench`, or `python -m bench NAME ...` for some of them."""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "start",
    "song",
    "sketch",
    "reading",
    "accept",
    "short_way",
    "queue",
    "ledger",
    "logging",
    "shipper",
    "gateway",
    "reloads",
    "gpu",
)


def main() -> None:
    chosen = sys.argv[1:] or list(NAMES)
    if unknown := set(chosen) - set(NAMES):
        sys.exit(f"no such figure: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in chosen:
        print(f"== {name}", flush=True)
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
