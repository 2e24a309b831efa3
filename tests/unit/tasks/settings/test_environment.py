"""The environment of our processes: what is named, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compose import door
from tasks.settings import environment

NAMES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1, max_size=24)


@given(st.dictionaries(NAMES, st.text(max_size=10), max_size=8))
def test_what_nobody_named_stays_out(source: dict[str, str]) -> None:
    built = environment.built(source=source)
    assert built.items() <= source.items()
    assert not [name for name in built if name.startswith(environment.OBEYED)]


def test_the_operator_may_let_some_through() -> None:
    source = {"MY_A": "1", "MY_B": "2", "PGPASSFILE": "x", "OTHER": "3", environment.PASS: "MY_*, PGPASSFILE"}
    assert environment.built(source=source).keys() == {"MY_A", "MY_B", "PGPASSFILE", environment.PASS}


def test_what_a_process_needs_besides_goes_before() -> None:
    assert environment.built({"CUDA_VISIBLE_DEVICES": ""}, {"CUDA_VISIBLE_DEVICES": "1"}) == {
        "CUDA_VISIBLE_DEVICES": ""
    }


def test_the_door_and_the_rooms_agree() -> None:
    assert (door.CLEAN, door.PASS) == (environment.CLEAN, environment.PASS)
    assert set(door.HARMLESS) <= set(environment.ALLOWED)
