"""How many days the certificate that nginx shows still has: a line every hour, for the rule that warns."""

from __future__ import annotations

import threading
import time

from observability.certificate import ends_at
from observability.logging import get_logger
from tasks.settings import Settings

EVERY = 3_600.0  # seconds
ASK_AGAIN = 15.0  # seconds, while nobody answers
SOON = 14.0  # days, as the rule has it

log = get_logger()


class Reminder:
    """Asks our own nginx for its certificate, beside the gateway's work; nothing where there is no TLS."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._next = 0.0 if settings.tls_certificate else float("inf")
        self._question: threading.Thread | None = None

    def due(self, at: float) -> None:
        """Ask, if the monotonic time `at` is late enough."""
        if at < self._next or (self._question and self._question.is_alive()):
            return
        self._next = at + EVERY
        self._question = threading.Thread(target=self._ask, args=(at,), daemon=True)
        self._question.start()

    def _ask(self, at: float) -> None:
        try:
            ends = ends_at(self._settings.own_host, self._settings.port)
        except OSError as error:
            self._next = at + ASK_AGAIN
            log.warning("certificate.unknown", message=f"nginx shows no certificate: {error}")
            return
        log_days_left((ends - time.time()) / 86_400)


def log_days_left(days: float) -> None:
    """Leave the line."""
    say = log.warning if days < SOON else log.info
    message = f"the TLS certificate ends in {days:.1f} days" if days >= 0 else "the TLS certificate has ended"
    say("certificate.state", message=message, tutti={"certificate": {"days_left": round(days, 3)}})
