"""How fast one client may ask for songs, where no nginx stands in front to hold the same limit."""

from __future__ import annotations

import math
import re
import time

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from web.request.problems import RATE_LIMITED, Problem

RATE = re.compile(r"^(?P<rate>\d+)r/(?P<unit>[sm])(?: burst=(?P<burst>\d+))?$")


def window(text: str) -> RateLimitItem | None:
    """Nginx's `5r/s burst=10` as a moving window: the shortest that holds a burst and the same rate.

    A window of W whole seconds lets rate x W through, so that W = ceil((burst + 1) / rate) admits the burst
    at once and no more than the rate in the long run. None where the limit is off.
    """
    match = RATE.match(text)
    if match is None:
        return None
    rate, burst = int(match["rate"]), int(match["burst"] or 0)
    if rate == 0:
        return RateLimitItemPerSecond(0, 1)
    length = max(1, math.ceil((burst + 1) / rate))
    item = RateLimitItemPerSecond if match["unit"] == "s" else RateLimitItemPerMinute
    return item(rate * length, length)


class RateLimiter:
    """Lets a client through as often as a setting such as TUTTI_RATE_LIMIT says, by address and by key.

    Args:
        text: The setting.
        what: What is counted, for the refusal: a subject and its verb.
    """

    def __init__(self, text: str, what: str = "Songs may be asked for") -> None:
        self._item, self._what = window(text), what
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def admit(self, address: str, key: str | None = None) -> None:
        """Count one job.

        Args:
            address: The client's address, as `web.request.client.bucket` gives it.
            key: The id of its API key; random keys do not evade the count by address.

        Raises:
            Problem: 429 with Retry-After.
        """
        if self._item is None:
            return
        for who in filter(None, (f"address:{address}", key and f"key:{key}")):
            if not self._limiter.hit(self._item, who):
                raise self._too_fast(who)

    def _too_fast(self, who: str) -> Problem:
        assert self._item is not None  # noqa: S101
        reset = self._limiter.get_window_stats(self._item, who).reset_time
        wait = max(1, math.ceil(reset - time.time()))
        detail = f"{self._what} {self._item.amount} times in {self._item.get_expiry()} s. Wait {wait} s."
        return Problem(RATE_LIMITED, detail, headers={"retry-after": str(wait)})
