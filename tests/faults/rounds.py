"""Many rounds of one fault in one cell, and its controls in cells of their own."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.faults.faults import CONTROL_LIMIT, FAULTS, LIMIT, Control, Fault, strike
from tests.faults.fleet import hosts_scene
from tests.faults.invariant import Verdict
from tests.faults.scene import Scene, scene
from tests.faults.stage import Stage

PR_SET_PDEATHSIG = 1
UNWIND = 20  # seconds to unmount and to delete
TRIES = 5  # of a control: not every moment is a bad one


def prepare(loud: bool = False) -> None:
    """Take the cells down when the process of the table is gone, in whatever way; drop what they print."""
    if not loud:
        for descriptor in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    signal.signal(signal.SIGTERM, lambda *_: _end())
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _end() -> None:
    """Take the cell down; what hangs is ended by the kernel, with all parts."""
    signal.alarm(UNWIND)
    sys.exit(1)


def _scene(stage: Stage) -> Callable[..., AbstractContextManager[Scene]]:
    return hosts_scene if stage.hosts else scene


@contextmanager
def _cell(fault: Fault, seed: int, without: tuple[str, ...]) -> Iterator[Scene]:
    with (
        tempfile.TemporaryDirectory(prefix="fault-", ignore_cleanup_errors=True) as folder,
        _scene(fault.stage)(Path(folder), fault.stage, random.Random(seed), without) as made,
    ):
        yield made


def run(fault: Fault, runs: int, seed: int, without: tuple[str, ...] = ()) -> Verdict:
    """Strike `runs` times in one cell."""
    with _cell(fault, seed, without) as made:
        total = Verdict()
        for number in range(runs):
            made.mend()
            found = strike(made, fault, LIMIT)
            sys.stdout.write(f"round {number + 1} | {fault.name} | {found}\n")  # for whoever ends it early
            sys.stdout.flush()
            total += found
        return total


def control(fault: Fault, chosen: Control, seed: int) -> str:
    """Whether the check notices that a safeguard is out, and what it saw."""
    if chosen.besides and not (alone := run(fault, 1, seed, chosen.besides)).holds:
        return f"{chosen.without}: DOES NOT HOLD without {', '.join(chosen.besides)} alone: {alone}"
    with _cell(fault, seed, (chosen.without, *chosen.besides)) as made:
        for number in range(TRIES):
            if number:
                made.mend()
            found = strike(made, fault, CONTROL_LIMIT)
            sys.stdout.write(f"control | {fault.name} | {chosen.without} | {found}\n")
            sys.stdout.flush()
            if not found.holds:
                return f"{chosen.without}: noticed"
    return f"{chosen.without}: NOT NOTICED"


def row(number: int, runs: int, seed: int) -> tuple[str, bool]:
    """A line of the table, and whether it is as it should be."""
    fault = FAULTS[number]
    try:
        return _row(fault, runs, seed)
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        return f"{fault.name} | not run: {missing}", False
    except Exception:  # the others go on
        return f"{fault.name} | {traceback.format_exc()}", False


def _row(fault: Fault, runs: int, seed: int) -> tuple[str, bool]:
    found = run(fault, runs, seed)
    seen = [control(fault, chosen, seed) for chosen in fault.controls]
    counts = f"{runs} | {found.jobs} | {found.lost} | {found.doubled} | {found.partial}"
    others = f"{found.recovery:.1f} | {found.unlogged} | {', '.join(found.broken) or '-'} | {'; '.join(seen)}"
    return f"{fault.name} | {counts} | {others}", found.holds and all(": noticed" in one for one in seen)
