"""Who plays: the genre's band, changed by the instruments asked for and refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tasks.engines.sketch.genres import Genre, Player, Role
from tasks.engines.sketch.music.chance import Chance
from tasks.engines.sketch.reading import Wish
from tasks.engines.sketch.reading.instruments import BY_NAME, FAMILIES, Instrument, family

REGISTERS: dict[Role, tuple[int, int]] = {
    "lead": (64, 85),
    "counter": (55, 76),
    "comp": (50, 69),
    "arp": (52, 74),
    "pad": (50, 70),
    "bass": (29, 50),
}
# When every program a genre would use is refused, the first of these that is not.
SUBSTITUTES: dict[Role, tuple[int, ...]] = {
    "lead": (73, 11, 0, 40, 66, 80),
    "counter": (71, 48, 11, 80),
    "comp": (4, 24, 0, 17, 89),
    "arp": (46, 11, 24, 0, 80),
    "pad": (48, 89, 17, 52),
    "bass": (32, 38, 33, 58),
}
CHORDAL: frozenset[Role] = frozenset({"comp", "arp"})


@dataclass(frozen=True, slots=True)
class Seat:
    """One player of the song: a program, a role, a register."""

    role: Role
    program: int
    style: str
    enter: float
    loudness: float
    pan: float
    room: float
    low: int
    high: int
    asked: bool = False


def choose(genre: Genre, wish: Wish, chance: Chance) -> tuple[Seat, ...]:
    """The seats of a song, the first to sound first; never empty."""
    refused = frozenset[int]().union(*(family(name) for name in wish.unwanted if name != "drums"))
    asked = [BY_NAME[name] for name in wish.wanted if name != "drums"]
    if wish.alone and asked:
        seats = _alone(asked)
    else:
        roles = [
            player for player in genre.players if not (player.role == "bass" and "bass" in wish.unwanted)
        ]
        seats = [_seat(player, _program(player, refused, chance)) for player in roles]
        for instrument in asked:
            seats = _add(seats, instrument)
    if not seats:
        seats = [_seat(Player("lead", (0,)), _program(Player("lead", (0,)), refused, chance))]
    if min(seat.enter for seat in seats) > 0:
        seats[0] = replace(seats[0], enter=0.0)
    return tuple(seats)


def _seat(player: Player, program: int) -> Seat:
    low, high = REGISTERS[player.role]
    return Seat(
        player.role, program, player.style, player.enter, player.loudness, player.pan, player.room,
        player.low or low, player.high or high,
    )  # fmt: skip


def _program(player: Player, refused: frozenset[int], chance: Chance) -> int:
    own = [program for program in player.programs if program not in refused]
    if own:
        return chance.pick(own)
    return next((p for p in SUBSTITUTES[player.role] if p not in refused), player.programs[0])


def _add(seats: Sequence[Seat], instrument: Instrument) -> list[Seat]:
    """The seats with an instrument that was asked for in the place that suits it best."""
    instrument = _as_the_band_plays_it(instrument, seats)
    result = list(seats)
    for place, seat in enumerate(result):
        if seat.program == instrument.program:
            result[place] = replace(seat, enter=0.0, asked=True)
            return result
    for role in instrument.roles:
        for place, seat in enumerate(result):
            if seat.role == role and not seat.asked:
                result[place] = _taken(seat, instrument)
                return result
    role = next((role for role in instrument.roles if role != "bass"), "lead")
    new = _seat(
        Player(role, (instrument.program,), loudness=-3.0, pan=0.3 - 0.15 * (len(result) % 5)),
        instrument.program,
    )
    return [*result, _taken(new, instrument)]


def _taken(seat: Seat, instrument: Instrument) -> Seat:
    low, high = (
        (instrument.low, instrument.high) if instrument.low and seat.role != "bass" else (seat.low, seat.high)
    )
    return replace(seat, program=instrument.program, low=low, high=high, enter=0.0, asked=True)


def _as_the_band_plays_it(instrument: Instrument, seats: Sequence[Seat]) -> Instrument:
    """A plain "guitar" or "bass" is the one that the genre plays."""
    kin = {"guitar": FAMILIES["guitar"], "bass": frozenset(range(32, 40))}.get(instrument.name, frozenset())
    own = next((seat.program for seat in seats if seat.program in kin), instrument.program)
    return replace(instrument, program=own)


def _alone(asked: Sequence[Instrument]) -> list[Seat]:
    """The instruments asked for and nobody else: singers sing, chordal ones accompany, also themselves."""
    singers = [instrument for instrument in asked if not CHORDAL & set(instrument.roles)]
    players = [instrument for instrument in asked if CHORDAL & set(instrument.roles)]
    seats = []
    for place, instrument in enumerate(singers or players[:1]):
        role: Role = (
            "bass" if instrument.roles == ("bass",) and len(asked) > 1 else "counter" if place else "lead"
        )
        seats.append(_taken(_seat(Player(role, ()), 0), instrument))
        if "pad" in instrument.roles:  # a choir or strings hold their own chords
            seats.append(_taken(_seat(Player("pad", (), loudness=-4.0), 0), replace(instrument, low=0)))
    for instrument in players:
        style = "broken" if instrument.roles[0] == "comp" else "picking"
        plain = replace(instrument, low=0)  # the accompaniment stays below the melody
        seats.append(_taken(_seat(Player("arp", (), style, loudness=-3.5, low=48, high=67), 0), plain))
        seats.append(_taken(_seat(Player("bass", (), "whole", loudness=-5.0, low=36, high=50), 0), plain))
    return seats
