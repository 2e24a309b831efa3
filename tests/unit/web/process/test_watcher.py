from __future__ import annotations

import asyncio

from tasks.jobs import JobState
from tasks.ledger import Snapshot
from web.process.watcher import Subscription


async def heard(subscription: Subscription, told: list[Snapshot | None]) -> None:
    told.extend([snapshot async for snapshot in subscription.changes()])


def test_a_listener_hears_news_once_and_heartbeats_without_any_until_the_end():
    async def scenario() -> None:
        subscription, told = Subscription("a"), []
        listening = asyncio.create_task(heard(subscription, told))
        waiting, ended = Snapshot(state=JobState.QUEUED, position=1), Snapshot(state=JobState.SUCCEEDED)
        for step in (
            lambda: subscription.publish(waiting),
            lambda: subscription.publish(waiting),
            subscription.wake,
            lambda: subscription.publish(ended),
        ):
            step()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await listening
        assert told == [waiting, None, ended]

    asyncio.run(scenario())


def test_a_listener_that_leaves_hears_no_more():
    async def scenario() -> None:
        subscription, told = Subscription("a"), []
        listening = asyncio.create_task(heard(subscription, told))
        subscription.publish(Snapshot(state=JobState.QUEUED))
        subscription.leave()
        await listening
        assert told == []

    asyncio.run(scenario())
