"""Several hosts in the ledger's URL: the one that can be written is found."""

from __future__ import annotations

import pytest

from tasks.ledger import Ledger, LedgerUnavailable
from tasks.settings import places
from tests.ledgers import accept
from tests.servers.postgresql import Postgresql


@pytest.fixture
def standby():
    """A server that answers and cannot be written, as a standby."""
    own = Postgresql("default_transaction_read_only=on")
    own.start()
    yield own
    own.close()


def test_the_host_that_can_be_written_is_used(postgresql, standby, tmp_path):
    url = postgresql.ledger_url()
    name = url.split("/")[3].split("?")[0]
    with standby._connect() as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"CREATE DATABASE {name}")
    hosts = "&".join(f"host={folder}" for folder in (tmp_path, standby.folder, postgresql.folder))
    with Ledger(places.database_url(f"postgresql://tutti@/{name}?{hosts}")) as ledger:
        accept(ledger)
    with Ledger(url) as direct:
        assert direct.views.counters()["accepted"] == 1


def test_where_none_can_be_written_that_is_said(standby, tmp_path):
    url = f"postgresql://tutti@/postgres?host={tmp_path}&host={standby.folder}"
    with pytest.raises(LedgerUnavailable, match="standby"):
        Ledger(places.database_url(url))


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("postgresql://u:p@a:5432,b:5433/tutti", ("a:5432", "b:5433")),
        ("postgres://a,b,c/tutti?sslmode=require", ("a", "b", "c")),
        ("postgresql://u:p%40x@[2001:db8::1]:5432,b/tutti", ("[2001:db8::1]:5432", "b")),
    ],
)
def test_hosts_may_be_written_as_libpq_does(text, hosts):
    url = places.database_url(text)
    assert url.query["host"] == hosts
    assert url.database == "tutti"
    assert "target_session_attrs" not in url.query
