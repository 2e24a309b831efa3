"""Who takes part in a step: while shorter songs fill a step, longer ones stand back.

A pack that takes all songs on their way makes the short ones wait for the long at every step. The shortest
remaining first is what makes people wait least (Schrage 1968, doi:10.1287/opre.16.3.687); a song gains rank
as it waits, so that none is passed for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.engines.acestep.denoising.pack import tokens_of
from tasks.engines.acestep.denoising.state import SongState

FILL = 4_096
"""Tokens that fill a step: more make it longer, and an H100 hardly quicker a token."""

AGE = 5_000.0
"""Tokens times steps that a second of waiting counts for: a twentieth of what an H100 does in one."""


def due(states: Sequence[SongState], patch: int, now: float) -> list[SongState]:
    """Those that take the next step, in the order given; all where they do not fill it."""
    if sum(tokens_of(state, patch) for state in states) <= FILL:
        return list(states)

    def rank(state: SongState) -> float:
        left = len(state.plan.sampling.steps) - state.taken
        return tokens_of(state, patch) * left - AGE * (now - state.since)

    chosen: set[int] = set()
    filled = largest = 0
    for state in sorted(states, key=rank):
        own = tokens_of(state, patch)
        # songs no longer than others that go make the step no slower for their kind
        if not chosen or filled + own <= FILL or own <= largest:
            chosen.add(id(state))
            filled, largest = filled + own, max(largest, own)
    return [state for state in states if id(state) in chosen]
