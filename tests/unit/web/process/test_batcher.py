from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from web.process.batcher import Batcher


class Asked:
    """Keeps what was asked until the test answers."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.futures: list[Future[list[int | Exception]]] = []

    def __call__(self, questions: Sequence[int]) -> Future[list[int | Exception]]:
        self.batches.append(list(questions))
        self.futures.append(Future())
        return self.futures[-1]


async def settle() -> None:
    """Let the loop go round until nothing more happens by itself."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_comes_at_once_is_asked_at_once_and_each_gets_its_own_answer():
    async def scenario() -> None:
        asked = Asked()
        together: Batcher[int, int] = Batcher(asked, at_once=1)
        waiting = [asyncio.create_task(together.ask(number)) for number in range(3)]
        await settle()
        assert asked.batches == [[0, 1, 2]]
        asked.futures[0].set_result([10, ValueError("eleven"), 12])
        first, second, third = await asyncio.gather(*waiting, return_exceptions=True)
        assert (first, third) == (10, 12)
        assert isinstance(second, ValueError)

    asyncio.run(scenario())


def test_what_comes_while_enough_is_under_way_waits_for_the_next_batch():
    async def scenario() -> None:
        asked = Asked()
        together: Batcher[int, int] = Batcher(asked, at_once=2)
        waiting = []
        for number in range(4):
            waiting.append(asyncio.create_task(together.ask(number)))
            await settle()
        assert asked.batches == [[0], [1]]
        asked.futures[1].set_result([1])
        await settle()
        assert asked.batches == [[0], [1], [2, 3]]
        asked.futures[0].set_result([0])
        asked.futures[2].set_result([2, 3])
        assert await asyncio.gather(*waiting) == [0, 1, 2, 3]

    asyncio.run(scenario())


def test_a_batch_that_fails_fails_for_all_of_it_and_the_next_one_goes_on():
    async def scenario() -> None:
        asked = Asked()
        together: Batcher[int, int] = Batcher(asked, at_once=1)
        waiting = [asyncio.create_task(together.ask(number)) for number in range(2)]
        await settle()
        asked.futures[0].set_exception(OSError("away"))
        assert all(isinstance(one, OSError) for one in await asyncio.gather(*waiting, return_exceptions=True))
        again = asyncio.create_task(together.ask(7))
        await settle()
        asked.futures[1].set_result([7])
        assert await again == 7

    asyncio.run(scenario())


def test_one_who_has_gone_takes_no_answer_from_the_others():
    async def scenario() -> None:
        asked = Asked()
        together: Batcher[int, int] = Batcher(asked, at_once=1)
        gone = asyncio.create_task(together.ask(1))
        stays = asyncio.create_task(together.ask(2))
        await settle()
        gone.cancel()
        await settle()
        asked.futures[0].set_result([1, 2])
        assert await stays == 2
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(scenario())
