"""What many rooms' tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.ledger import Ledger
from tests import needs
from tests.ledgers import Clock
from tests.servers.postgresql import Postgresql
from tests.servers.surroundings import PASSED

os.environ.update(PASSED)  # an engine process of a test finds the tests' engines


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure: a part that is missing there would go unnoticed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if needs.CI and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    server = Postgresql()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger, migrated once and then copied."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    Ledger(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty ledger, on either database."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "ledger.db")
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return request.getfixturevalue("postgresql").ledger_url()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_ledger(ledger_url: str, clock: Clock) -> Iterator[Callable[..., Ledger]]:
    """Opens the same ledger once more, as another process would."""
    opened: list[Ledger] = []

    def opener(**options) -> Ledger:
        opened.append(Ledger(ledger_url, **{"clock": clock} | options))
        return opened[-1]

    yield opener
    for one in opened:
        one.close()


@pytest.fixture
def ledger(open_ledger: Callable[..., Ledger]) -> Ledger:
    return open_ledger()
