"""How long to pause between tries: longer each time, to a bound, spread so that many do not come at once.

A retry library runs the tries itself. The loops here are driven by rows of a ledger, threads that stop on a
signal, and child processes, so all that they share is the length of a pause.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

DOUBLINGS_MAX = 60  # beyond, a power of two would be no number of seconds any more


@dataclass(frozen=True, kw_only=True)
class BackOff:
    """Pauses that double.

    Attributes:
        first: Seconds after the first failure.
        longest: Seconds that no pause exceeds.
        spread: Share of a pause that chance may take away, 0 to 1.
    """

    first: float
    longest: float
    spread: float = 0.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row, one or more."""
        whole = min(self.longest, self.first * 2.0 ** min(failures - 1, DOUBLINGS_MAX))
        return whole * (1.0 - self.spread * random.random())  # noqa: S311 - spread, not secrecy
