"""Running out of memory must not cost a neighbour its song."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from tasks.engines.acestep.denoising.state import SongState
from tasks.engines.engine import EngineOutOfMemory

Work = Callable[[Sequence[SongState]], None]


def split_on_out_of_memory(states: Sequence[SongState], work: Work) -> None:
    """Do this for all songs at once; where memory runs out after all, in halves, down to single songs.

    Raises:
        EngineOutOfMemory: A song does not fit even alone; the work of all others is done.
    """
    failed: EngineOutOfMemory | None = None
    if not states:
        return
    try:
        work(states)
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        if len(states) == 1:
            detail = "the device has no memory for a song of this length"
            raise EngineOutOfMemory(detail, song=states[0].song) from error
        half = len(states) // 2
        for part in (states[:half], states[half:]):
            try:
                split_on_out_of_memory(part, work)
            except EngineOutOfMemory as alone:
                failed = alone
    if failed is not None:
        raise failed
