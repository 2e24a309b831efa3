"""API keys: what they look like, what they allow, how long an answer about one is remembered."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from tasks.ledger import Ledger, Quota, UnknownKey
from tasks.ledger.keys import Keys
from tasks.security import keys
from tasks.security.keys import ApiKey, Keyring, digest, new_token, scopes_of
from tests.servers.postgresql import Postgresql

DAY = 86_400


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(ledger_url: str, clock: Clock):
    """The table of keys, on SQLite and on PostgreSQL."""
    with Ledger(ledger_url, clock=clock) as ledger:
        yield ledger.keys


def test_a_key_is_found_by_its_text_and_by_nothing_else(store: Keys, clock: Clock) -> None:
    key, token = store.add("Ada", ["jobs"], Quota(jobs_a_day=5))
    ring = Keyring(store, clock)
    assert ring.check(token) == key
    assert ring.by_id(key.id) == key
    assert key.quota == Quota(jobs_a_day=5)
    _, other = store.add("Bob")
    swapped = f"tutti_{key.id}_{other.rsplit('_', 1)[1]}"
    for wrong in (
        swapped,
        token[:-1],
        token + "x",
        token.upper(),
        "",
        "tutti_",
        f"tutti_{'0' * 8}_{'0' * 32}",
    ):
        assert ring.check(wrong) is None, wrong


def test_the_secret_is_kept_nowhere(
    ledger_url: str, clock: Clock, postgresql: Postgresql, tmp_path: Path
) -> None:
    with Ledger(ledger_url, clock=clock) as ledger:
        store = ledger.keys
        key, token = store.add("Ada")
        secret = token.rsplit("_", 1)[1]
        assert store.all()[0].digest == digest(secret)
    files = {file: file.read_bytes() for file in tmp_path.iterdir()} | postgresql.kept()
    assert any(key.digest.encode() in text for text in files.values()), "look for it elsewhere"
    assert not any(secret.encode() in text for text in files.values())


def test_keys_are_random() -> None:
    assert len({new_token()[2] for _ in range(1_000)}) == 1_000


def test_a_revoked_key_is_refused_once_it_is_forgotten(store: Keys, clock: Clock, monkeypatch) -> None:
    key, token = store.add("Ada")
    ring = Keyring(store, clock)
    assert ring.check(token)
    assert store.revoke(key.id).revoked_at == clock.now
    assert Keyring(store, clock).check(token) is None
    later = keys.time.monotonic() + keys.REMEMBERED
    monkeypatch.setattr(keys.time, "monotonic", lambda: later)
    assert ring.check(token) is None
    clock.now += 50
    assert store.revoke(key.id).revoked_at == clock.now - 50


def test_revocation_holds_within_30_seconds_behind_the_gateway_too() -> None:
    template = resources.files("nginx").joinpath("templates/locations.conf.j2").read_text()
    [nginx_remembers] = re.findall(r"proxy_cache_valid 200 204 (\d+)s;", template)
    assert keys.REMEMBERED + int(nginx_remembers) < 30


def test_a_key_ends_at_its_time_even_while_it_is_remembered(store: Keys, clock: Clock) -> None:
    _, token = store.add("Ada", days=1)
    ring = Keyring(store, clock)
    assert ring.check(token)
    clock.now += DAY
    assert ring.check(token) is None


def test_answers_are_remembered_by_hash_and_not_without_bound(store: Keys, clock: Clock, monkeypatch) -> None:
    asked = []
    real = store.get
    monkeypatch.setattr(store, "get", lambda key_id: asked.append(key_id) or real(key_id))
    monkeypatch.setattr(keys, "CAPACITY", 10)
    _, token = store.add("Ada")
    ring = Keyring(store, clock)
    assert all(ring.check(token) for _ in range(5))
    assert len(asked) == 1
    for _ in range(50):
        ring.check(new_token()[2])
    assert len(ring._known) == 10
    assert not any(token in name for name in ring._known)


@pytest.mark.parametrize(
    ("scopes", "read", "jobs", "admin"),
    [
        (["read"], True, False, False),
        (["jobs"], True, True, False),
        (["admin"], True, True, True),
        ([], False, False, False),
    ],
)
def test_each_scope_holds_those_before_it(scopes: list[str], read: bool, jobs: bool, admin: bool) -> None:
    key = ApiKey(id="a", name="", digest="", scopes=scopes_of(scopes), quota=Quota(), created_at=0)
    assert (key.allows("read"), key.allows("jobs"), key.allows("admin")) == (read, jobs, admin)


def test_an_unknown_scope_or_key_is_named(store: Keys) -> None:
    with pytest.raises(ValueError, match="root: not a scope"):
        scopes_of(["jobs", "root"])
    with pytest.raises(UnknownKey, match="'nope'"):
        store.revoke("nope")
