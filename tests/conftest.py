"""What many rooms' tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tasks.ledger import Ledger
from tests import needs
from tests.ledgers import Clock
from tests.servers.postgresql import Postgresql
from tests.servers.surroundings import PASSED

os.environ.update(PASSED)  # an engine process of a test finds the tests' engines

# Machines that run tests are busy: an example may take its time.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure: a part that is missing there would go unnoticed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if needs.CI and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


SERVERS = frozenset({"postgresql", "started_valkey"})  # fixtures that start a server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a server, so that `make unit` can leave it out."""
    unit = Path(__file__).parent / "unit"
    for item in items:
        if not item.path.is_relative_to(unit) or _starts_server(item):
            item.add_marker("server")


def _starts_server(item: pytest.Item) -> bool:
    chosen = getattr(item, "callspec", None)
    if chosen is not None and "postgresql" in chosen.params.values():
        return True
    return bool(SERVERS.intersection(getattr(item, "fixturenames", ())))


@pytest.fixture
def own_postgresql() -> Iterator[Postgresql]:
    """A PostgreSQL of one test's own, which it may kill: the others' must not be."""
    server = Postgresql()
    server.start()
    yield server
    server.close()


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
