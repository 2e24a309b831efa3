"""Each check as one test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.engines.conformance.bench import Bench, Fault
from tasks.engines.conformance.checks import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(bench: Bench, check: Callable[[Bench], None]) -> None:
    """The engine holds this."""
    try:
        check(bench)
    except Fault as fault:
        pytest.fail(f"{check.__doc__}\n{fault}", pytrace=False)
