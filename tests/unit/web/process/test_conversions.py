"""Conversions that take too long, or hang in the storage: given up, and in nobody else's way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from web.process.conversions import STUCK_MAX, Conversions, NobodyWaits, TooSlow


def test_a_slow_one_ends_at_its_next_step_and_the_next_is_made() -> None:
    ended = threading.Event()

    def slow(progress: Callable[[float], None]) -> None:
        try:
            while True:
                progress(0.5)
        except NobodyWaits:
            ended.set()
            raise

    async def scenario() -> None:
        conversions = Conversions(patience=0.2)
        with pytest.raises(TooSlow):
            await conversions.make("a.mp3", "me", slow)
        assert await asyncio.to_thread(ended.wait, 30)
        await conversions.make("b.mp3", "me", lambda _progress: None)

    asyncio.run(scenario())


def test_a_storage_that_hangs_holds_a_few_threads_and_no_request() -> None:
    answers = threading.Event()
    begun: list[str] = []

    def hangs(_progress: Callable[[float], None]) -> None:
        begun.append("one")
        answers.wait(60)

    async def scenario() -> None:
        conversions = Conversions(patience=0.2)
        for number in range(STUCK_MAX + 3):
            with pytest.raises(TooSlow):
                await conversions.make(f"{number}.mp3", "me", hangs)
        assert len(begun) == STUCK_MAX
        answers.set()
        while True:
            try:
                await conversions.make("again.mp3", "me", lambda _progress: None)
                return
            except TooSlow:
                await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(scenario(), 60))
