"""Whether the part that is this container's first process lives: 0 or 1, as container engines ask.

Web and gateway answer `/livez`. A worker's heartbeat must be fresh, and a dispatcher must answer `/metrics`.
It imports nothing of Tutti, because it begins every few seconds.
"""

from __future__ import annotations

import os
import re
import sys
import time
import urllib.request
from pathlib import Path
from typing import Final

PATIENCE: Final = 3.0  # seconds
SILENT: Final = 60.0  # seconds without a heartbeat, of which there is one in 15
HEARTBEAT: Final = re.compile(r"^tutti_worker_heartbeat_timestamp_seconds\{[^}]*\} (\S+)$", re.MULTILINE)


def part() -> str:
    """The word given, else the one behind `tutti` in the first process's command."""
    if len(sys.argv) > 1:
        return sys.argv[1]
    words = Path("/proc/1/cmdline").read_bytes().split(b"\0")
    known = {"web", "gateway", "worker", "dispatch"}
    return next((word.decode() for word in words if word.decode(errors="replace") in known), "")


def ask(port: str, path: str) -> str:
    """What this container answers there.

    Raises:
        OSError: It does not, or not with success.
    """
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
        return str(answer.read().decode())


def reason() -> str | None:
    """Why the part does not live; None where it does."""
    environment = os.environ
    match part():
        case "web" | "gateway":
            ask(environment.get("TUTTI_PORT", "8000"), "/livez")
        case "dispatch":
            ask(environment.get("TUTTI_DISPATCH_METRICS_PORT", "9402"), "/metrics")
        case "worker":
            port = int(environment.get("TUTTI_WORKER_METRICS_PORT", "9401")) + int(
                environment.get("TUTTI_DEVICE") or "0"
            )
            beats = [float(at) for at in HEARTBEAT.findall(ask(str(port), "/metrics"))]
            if beats and time.time() - max(beats) > SILENT:
                return f"no heartbeat for {SILENT:.0f} s"
        case _:
            return None  # a command that ends by itself
    return None


def main() -> int:
    """Say why not, where it does not live."""
    try:
        found = reason()
    except OSError as error:
        found = str(error)
    if found:
        sys.stderr.write(f"{found}\n")
    return int(found is not None)


if __name__ == "__main__":
    sys.exit(main())
