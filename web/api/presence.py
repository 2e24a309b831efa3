"""Tells the ledger that this web process lives and is well; the gateway reads it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio

from observability.logging import get_logger
from tasks.cluster import Reporter
from tasks.jobs import JobError
from web.api.health import reason_not_ready
from web.request.state import FILES, AppState

log = get_logger()
PERIOD = 2.0


async def report(state: AppState) -> None:
    """Tell the ledger again and again how this process is, until cancelled."""
    reporter = Reporter(state.ledger, "web", state.settings.node)
    try:
        while True:
            with suppress(Exception):  # it is told again
                reason = await reason_not_ready(state)
                word = "unwell" if reason else "ready"
                if reporter.due(word, reason):  # the NAS is asked for nothing else
                    facts = {"storage": await anyio.to_thread.run_sync(_storage, state, limiter=FILES)}
                    await asyncio.to_thread(reporter.report, word, reason, facts)
            await asyncio.sleep(PERIOD)
    finally:
        await asyncio.shield(asyncio.to_thread(reporter.leave))


def _storage(state: AppState) -> dict[str, object]:
    try:
        return {"free_bytes": state.storage.free(), "total_bytes": state.storage.size()}
    except JobError as error:
        return {"error": error.detail}


async def run(state: AppState, address: str) -> None:
    """Register, then give a sign of life again and again until cancelled.

    Args:
        state: This process's state.
        address: Where the gateway reaches it: `unix:/path` or `host:port`.
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
