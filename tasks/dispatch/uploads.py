"""Old uploads: those that no open job needs expire by age, and sooner while their disk is too full."""

from __future__ import annotations

from collections.abc import Callable, Collection

from observability.logging import get_logger
from tasks.storage.uploads import Uploads

log = get_logger()

DAY = 86_400.0
LEAST_AGE = 3600.0  # seconds: who has just uploaded is about to ask for a song


class UploadRetention:
    """Deletes uploads.

    Args:
        uploads: where they lie.
        needed: gives the ids that open jobs refer to.
        days: since its last use, after which an upload expires.
        share: of the disk that may be taken, 0..1.
    """

    def __init__(
        self, uploads: Uploads, needed: Callable[[], Collection[str]], days: float, share: float
    ) -> None:
        self._uploads = uploads
        self._needed = needed
        self._days = days
        self._share = share

    def expire(self) -> int:
        """Delete what is too old, or all that may go where the disk is too full; how many comes back."""
        full = self._uploads.used_share() > self._share
        number = self._uploads.expire(LEAST_AGE if full else self._days * DAY, self._needed())
        if number:
            log.info("uploads.expired", message=f"{number} uploads went")
        return number
