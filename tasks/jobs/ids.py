"""Ids of jobs: the cell's name and a number that sorts by time."""

from __future__ import annotations

import re
import secrets
import threading
import time

BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's, without i, l, o and u
JOB_ID = re.compile(r"^[a-z0-9]{1,4}_[0-9a-hjkmnp-tv-z]{26}$")
# The number's first ten characters are milliseconds: five of them count 9.3 hours, seven 33 seconds.
DATED_JOB_ID = re.compile(
    r"^[a-z0-9]{1,4}_(?P<hours>[0-9a-hjkmnp-tv-z]{5})(?P<moment>[0-9a-hjkmnp-tv-z]{2})[0-9a-hjkmnp-tv-z]{19}$"
)


class _Ulids:
    """Time-sortable numbers of 128 bits; within one process each is greater than the one before.

    Source: https://github.com/ulid/spec (48 bits of milliseconds, 80 bits of randomness).
    """

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        chance = secrets.randbits(80)
        fresh = (time.time_ns() // 1_000_000 << 80) | chance
        with self._lock:
            if fresh >> 80 <= self._last >> 80:
                fresh = self._last + 1 + (chance >> 16)  # nobody guesses it from its neighbour
            self._last = fresh
        return fresh


_ulids = _Ulids()
_PAIRS = tuple(
    first + second for first in BASE32 for second in BASE32
)  # ten bits at once: an id costs a third


def new_job_id(cell: str) -> str:
    """A job's id: the cell's name and 26 characters that sort by time, such as `a_01kb...`."""
    number = _ulids.next()
    return f"{cell}_" + "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])
