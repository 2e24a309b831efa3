"""The reason of a failure on the console too: who looks there should not have to know of the line files."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping
from typing import Any

from observability.redact import scrub

AGAIN = 60.0  # seconds until the same reason is told once more
REMEMBERED = 64
LONGEST = 500  # letters

_written: dict[str, float] = {}


def write_error(service: str, action: str, fields: Mapping[str, Any]) -> None:
    """Write one line of an error to standard error; the same one once a minute."""
    error = fields.get("error")
    cause = ""
    if isinstance(error, Mapping) and error.get("message"):
        cause = f" ({error.get('type', 'error')}: {error['message']})"
    message = str(fields.get("message", ""))
    if "Traceback (most recent" in message:  # a library's whole trace: its last line says what it is
        message = message.strip().rpartition("\n")[2]
    text = scrub(" ".join(f"{service}: {action}: {message}{cause}".split()))[:LONGEST]
    now = time.monotonic()
    if now - _written.get(text, float("-inf")) < AGAIN:
        return
    if len(_written) >= REMEMBERED:
        _written.clear()
    _written[text] = now
    with contextlib.suppress(OSError, ValueError, AttributeError):  # a console that has gone
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
