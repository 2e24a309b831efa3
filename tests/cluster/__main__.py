"""`python -m tests.cluster [--minutes 30]`: the cluster of docs/operating.md on this machine, for a while."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, standing

MOST_MINUTES = 240


def main() -> int:
    """Build it, say how to use it, and end it: after so many minutes, at Ctrl-C, or at SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help=f"for how long, {MOST_MINUTES} at most")
    parser.add_argument("--engine", default="sketch", help="what makes the music")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="cluster-", ignore_cleanup_errors=True) as folder,
            standing(Path(folder), say=_say, engine=asked.engine, rate_limit="off") as cluster,
        ):
            _tell(cluster, min(asked.minutes, MOST_MINUTES))
            time.sleep(60 * min(asked.minutes, MOST_MINUTES))
    except KeyboardInterrupt:
        _say("ended; nothing of it is left")
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        _say(f"it cannot run here: {missing}")
        return 1
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _tell(cluster: Cluster, minutes: float) -> None:
    _say(cluster.told[-1])
    for name in cluster.names("gateway"):
        _say(f"{name}: http://{cluster[name.split()[0]].address}/")
    _say(f"the operator's key: {cluster.key}")
    for name, host in cluster.network.hosts.items():
        _say(f"{name}: nsenter --all --target {host.inside.pid}")
    switch = cluster.network.switch.pid
    _say(f"cut web1 off: nsenter --net --target {switch} bridge link set dev web1 state 0 (and 3 to heal it)")
    _say(f"it ends in {minutes:g} minutes, or at Ctrl-C")


if __name__ == "__main__":
    sys.exit(main())
