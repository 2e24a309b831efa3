from __future__ import annotations

import asyncio

from tasks.jobs import JobState
from tasks.ledger import Snapshot
from web.process.watcher import Watch


async def heard(watch: Watch, told: list[Snapshot | None]) -> None:
    told.extend([snapshot async for snapshot in watch.changes()])


def test_a_listener_hears_news_once_and_heartbeats_without_any_until_the_end():
    async def scenario() -> None:
        watch, told = Watch("a"), []
        listening = asyncio.create_task(heard(watch, told))
        waiting, ended = Snapshot(state=JobState.QUEUED, position=1), Snapshot(state=JobState.SUCCEEDED)
        for step in (
            lambda: watch.tell(waiting),
            lambda: watch.tell(waiting),
            watch.wake,
            lambda: watch.tell(ended),
        ):
            step()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await listening
        assert told == [waiting, None, ended]

    asyncio.run(scenario())


def test_a_listener_that_leaves_hears_no_more():
    async def scenario() -> None:
        watch, told = Watch("a"), []
        listening = asyncio.create_task(heard(watch, told))
        watch.tell(Snapshot(state=JobState.QUEUED))
        watch.leave()
        await listening
        assert told == []

    asyncio.run(scenario())
