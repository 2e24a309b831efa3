"""Work that would hold up an event loop, such as reading a large file: in a thread, or right here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def thread(what: Callable[[], Result]) -> Result:
    """Do it beside the event loop."""
    return await asyncio.to_thread(what)


def here(what: Callable[[], Result]) -> Result:
    """Do it now."""
    return what()
