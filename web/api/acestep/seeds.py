"""The seeds of a request: one for all its songs, or one for each."""

from __future__ import annotations

import secrets
from typing import Any

from tasks.jobs import SEED_MAX
from web.api.acestep.fields import Given, refused

UNSAID = frozenset({"", "-1", "-1.0", "none", "null"})


def seeds_of(given: Given, batch: int) -> dict[str, Any]:
    """A seed, or one for each song. They count only where the client says that they shall.

    ACE-Step makes the songs that no seed is left for by chance, and so does this; one seed alone holds for
    all songs of the request, which then sound differently but repeat.

    Raises:
        Problem: 422 for a number that is no seed; other text is left out, as ACE-Step's server does.
    """
    raw = given.raw("seed")
    parts = raw if isinstance(raw, list) else str("" if raw is None else raw).split(",")
    said = [text for part in parts if (text := str(part).strip()).lower() not in UNSAID]
    if given.truth("use_random_seed"):
        if said:
            given.say("seed: it counts only where use_random_seed is false, so it was left aside")
        return {}
    seeds = [seed for text in said if (seed := _seed(text, given)) is not None]
    if len(seeds) > batch:
        given.say(f"seed: {len(seeds)} seeds for {batch} songs, so the last were left out")
    if not seeds:
        return {}
    if len(seeds) == 1 or batch == 1:
        return {"seed": seeds[0]}
    by_chance = (secrets.randbelow(SEED_MAX + 1) for _ in range(batch - len(seeds)))
    return {"seeds": [*seeds[:batch], *by_chance]}


def _seed(text: str, given: Given) -> int | None:
    try:
        found = float(text)
    except ValueError:
        given.say(f"seed: {text[:40]!r} is no number, so it was left out")
        return None
    if not 0 <= found <= SEED_MAX or found != int(found):
        raise refused("seed", f"has to be a whole number from 0 to {SEED_MAX}, or -1 for one by chance")
    return int(found)
