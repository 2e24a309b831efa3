from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from tasks.engines.sketch.music.chance import Chance

PROGRAM = """
import hashlib
from tasks.engines.sketch.compose import compose
from tasks.engines.sketch.midi import to_midi
from tasks.jobs import JobRequest
request = JobRequest(prompt="calm folk with piano and cello, no guitar, no drums", duration=30)
print(hashlib.sha256(to_midi(compose(request, 7))).hexdigest())
"""


def test_the_numbers_are_the_same_everywhere() -> None:
    chance = Chance("a", 1)
    assert [round(chance.between(0, 1), 6) for _ in range(4)] == [0.985201, 0.261091, 0.688236, 0.373915]


def test_a_fork_does_not_shift_its_parent() -> None:
    one, other = Chance("a"), Chance("a")
    other.fork("b").happens(0.5)
    assert one.between(0, 1) == other.between(0, 1)


def test_names_decide_the_stream() -> None:
    assert Chance("a", "bc").between(0, 1) != Chance("ab", "c").between(0, 1)
    assert Chance("a").fork("b").between(0, 1) == Chance("a", "b").between(0, 1)


def test_weights_are_kept() -> None:
    chance = Chance("w")
    drawn = [chance.weighed({"often": 3.0, "seldom": 1.0, "never": 0.0}) for _ in range(2000)]
    assert drawn.count("never") == 0
    assert drawn.count("often") / 2000 == pytest.approx(0.75, abs=0.04)


def test_near_is_centred_and_bounded() -> None:
    chance = Chance("n")
    drawn = [chance.near(0.1) for _ in range(2000)]
    assert max(map(abs, drawn)) <= 0.3
    assert sum(drawn) / 2000 == pytest.approx(0, abs=0.01)


def test_another_process_with_other_hashes_writes_the_same_score() -> None:
    """Nothing may depend on the order of a set of words."""
    found = set()
    for seed in ("1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == len(hashlib.sha256().hexdigest())
