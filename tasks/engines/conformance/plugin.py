"""`--engine NAME`: which engine is put to the tests; everything else comes from the settings."""

from __future__ import annotations

import pytest

from tasks.engines import load_engine, model_of
from tasks.engines.conformance.bench import Bench
from tasks.settings import Settings


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--engine", help="Engine to test: an entry point of tutti.engines, or module:Class.")


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Bench:
    """The engine that the command line names, or the settings."""
    named = request.config.getoption("--engine")
    settings = Settings(engine=named) if named else Settings()
    can = model_of(settings).capabilities
    if can is None:
        pytest.fail(
            f"{settings.engine} states no `capabilities`; see tasks.engines.capabilities", pytrace=False
        )
    return Bench(make=lambda: load_engine(settings), capabilities=can)
