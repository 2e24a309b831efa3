"""What the broker lost, dropped, or holds in vain."""

from __future__ import annotations

from collections.abc import Iterable

from observability.logging import get_logger
from tasks.dispatch.fleet import Fleet
from tasks.ledger import Ledger
from tasks.queue.publisher import Publisher

log = get_logger()

LOST_SECONDS = 3.0  # released and unclaimed for so long beside an idle slot: the message was lost


class LostAndFound:
    """Takes back into the ledger's line what the broker has not delivered."""

    def __init__(self, ledger: Ledger, publisher: Publisher) -> None:
        self._ledger = ledger
        self._publisher = publisher

    def take_back_lost(self, fleet: Fleet) -> None:
        """Release once more what nobody claimed though a worker had room."""
        for view in self._ledger.views.queues():
            if view.released and fleet.idle_seconds(view.name) >= LOST_SECONDS:
                lost = self._ledger.dispatch.unrelease_stale(view.name, LOST_SECONDS)
                if lost:
                    message = f"{len(lost)} jobs go out again"
                    log.warning("queue.lost", tutti={"queue": view.name}, message=message)

    def take_back_dead_letters(self) -> None:
        """Release once more what was delivered too often.

        Raises:
            BrokerUnavailable: The dead letters stay where they are.
        """
        dead = self._publisher.dead_letters()
        if dead:
            self._ledger.dispatch.unrelease(dead)
            log.warning("queue.dead_letters", message=f"{len(dead)} jobs were delivered too often; once more")

    def empty(self, queues: Iterable[str]) -> None:
        """Empty the queues that nobody serves: nobody would heed their messages.

        Raises:
            BrokerUnavailable: They keep their messages, which are harmless.
        """
        for queue in queues:
            self._publisher.purge(queue)
