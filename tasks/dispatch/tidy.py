"""What is too old, or too much: every few minutes songs, uploads and records are looked through."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from observability.logging import get_logger
from tasks.jobs import JobError

log = get_logger()

EVERY_SECONDS = 300.0


class Tidy:
    """Calls each of its steps; one that fails leaves the others alone."""

    def __init__(self, steps: Sequence[Callable[[], int]]) -> None:
        self._steps = steps

    def turn(self) -> float:
        """Do all of them; the seconds to pause come back."""
        for step in self._steps:
            try:
                step()
            except (JobError, OSError) as error:
                log.warning("storage.not_tidied", message=str(getattr(error, "detail", error)))
        return EVERY_SECONDS
