"""One id from click to file: W3C trace context, level 1.

The gateway passes a valid `traceparent` on or makes one of its request id; the web app, the task's headers,
the ledger and every log line carry it.
"""

from __future__ import annotations

import random
import re

TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
TRACE_ID = re.compile(r"[0-9a-f]{32}")
NO_TRACE, NO_PARENT, NO_VERSION = "0" * 32, "0" * 16, "ff"


def trace_id(traceparent: str | None) -> str | None:
    """Find the 32 hexadecimal digits of a valid `traceparent`, else None.

    Source: W3C Trace Context, 2.2.2: later versions may append fields, version 00 may not.
    """
    match = TRACEPARENT.fullmatch(traceparent.strip()) if traceparent else None
    if not match:
        return None
    version, trace, parent, _, more = match.groups()
    if version == NO_VERSION or trace == NO_TRACE or parent == NO_PARENT or (version == "00" and more):
        return None
    return trace


def new(trace: str | None = None) -> str:
    """Make a `traceparent` for the trace with that id, or for a new one."""
    # Ids of traces are to be unlike each other, not beyond guessing, and `secrets` asks the kernel each time.
    return f"00-{trace or _hex(128)}-{_hex(64)}-01"


def _hex(bits: int) -> str:
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"


def accept_or_new(header: str | None, request_id: str | None = None) -> str:
    """Keep the caller's `traceparent` if it is valid, else make one of the gateway's request id or a new one.

    Args:
        header: What came in the `traceparent` header.
        request_id: nginx's `$request_id`, 32 hexadecimal digits, which then becomes the trace's id.
    """
    trace = trace_id(header)
    if header and trace:
        return header.strip() if header.startswith("00-") else new(trace)
    known = request_id and TRACE_ID.fullmatch(request_id) and request_id != NO_TRACE
    return new(request_id if known else None)
