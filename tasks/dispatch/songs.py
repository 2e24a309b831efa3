"""Old songs: those of a certain age are deleted, and the oldest while the disk is too full."""

from __future__ import annotations

from observability.logging import get_logger
from tasks.ledger import Ledger
from tasks.storage.songs import Storage

log = get_logger()

AT_ONCE = 100
DAY = 86_400.0


class SongRetention:
    """Deletes songs, in small groups.

    Args:
        ledger: which songs there are and when each was last used.
        storage: where they lie.
        days: age at which a song expires.
        share: of the disk that may be taken, 0..1.
    """

    def __init__(self, ledger: Ledger, storage: Storage, days: float, share: float) -> None:
        self._ledger = ledger
        self._storage = storage
        self._days = days
        self._share = share

    def expire(self) -> int:
        """Delete what is too old or too much; the number of jobs that lost their audio comes back."""
        self._storage.sweep()
        number = self._all_older(self._days * DAY)
        while self._storage.used_share() > self._share:
            more = self._ledger.retention.expire_songs(self._storage.remove, 0.0, AT_ONCE)
            number += more
            if not more:
                log.warning("storage.full", message="other files fill the disk more than songs may")
                break
        return number

    def _all_older(self, seconds: float) -> int:
        number = 0
        while more := self._ledger.retention.expire_songs(self._storage.remove, seconds, AT_ONCE):
            number += more
        return number
