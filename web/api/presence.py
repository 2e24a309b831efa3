"""Tells the ledger that this web process lives and is well; the gateway reads it."""

from __future__ import annotations

import asyncio

from observability.logging import get_logger
from web.api.health import reason_not_ready
from web.request.state import AppState

log = get_logger()
PERIOD = 2.0


async def run(state: AppState, address: str) -> None:
    """Register, then give a sign of life again and again until cancelled.

    Args:
        state: this process's state.
        address: where the gateway reaches it: `unix:/path` or `host:port`.
    """
    registered = False
    while True:
        try:
            if not registered:
                await asyncio.to_thread(state.ledger.web_nodes.register, state.settings.node, address)
                registered = True
            reason = await reason_not_ready(state)
            await asyncio.to_thread(state.ledger.web_nodes.beat, state.settings.node, reason is None, reason)
        except Exception as error:
            log.warning("web.presence", message=f"the ledger does not answer: {error}")
        await asyncio.sleep(PERIOD)
