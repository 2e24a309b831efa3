"""API keys: what one looks like, what it allows, and a keyring that remembers for seconds.

A key is `tutti_<id>_<secret>`. The id is public: it names the key in logs and lists. The secret has 160
random bits and is kept only as SHA-256, which is enough because nothing so random can be guessed (NIST
SP 800-63B, 5.1.2.2, asks for slow hashes only below 112 bits).
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, cast, get_args

from cachetools import TTLCache

Scope = Literal["read", "jobs", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
TOKEN = re.compile(r"^tutti_(?P<id>[0-9a-hjkmnp-tv-z]{8})_(?P<secret>[0-9a-hjkmnp-tv-z]{32})$")
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
REMEMBERED = 8.0  # seconds; with nginx's 15 a revocation holds after 23 at most
CAPACITY = 4096


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What a key's owner may use; None is without bound."""

    concurrent: int | None = None
    jobs_a_day: int | None = None
    seconds_a_day: float | None = None


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key as the ledger keeps it.

    Attributes:
        digest: SHA-256 of the secret, hexadecimal.
        scopes: `read` looks, `jobs` also asks for music, `admin` also acts on everyone's jobs.
        quota: What its owner may use.
    """

    id: str
    name: str
    digest: str
    scopes: frozenset[Scope]
    quota: Quota
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None

    def valid(self, now: float) -> bool:
        """Whether it opens anything at the time `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def allows(self, scope: Scope) -> bool:
        """Whether it may do this; each scope holds those before it."""
        return any(SCOPES.index(own) >= SCOPES.index(scope) for own in self.scopes)


@dataclass(frozen=True, kw_only=True)
class Login:
    """A browser that has shown a key: its cookie names the key, ends at a time, and has an id of its own."""

    id: str
    key_id: str
    until: float


class KeyStore(Protocol):
    """Where keys are kept: `Ledger.keys`."""

    def get(self, key_id: str) -> ApiKey | None:
        """Give the key of that id, revoked or not."""

    def end_login(self, login_id: str, until: float) -> None:
        """Note that a login has ended before its time."""

    def has_ended(self, login_id: str) -> bool:
        """Whether it has."""


def scopes_of(names: Iterable[str]) -> frozenset[Scope]:
    """Check names of scopes.

    Raises:
        ValueError: One is unknown.
    """
    found = frozenset(names)
    if unknown := found - set(SCOPES):
        raise ValueError(f"{', '.join(sorted(unknown))}: not a scope; the scopes are {', '.join(SCOPES)}")
    return cast("frozenset[Scope]", found)


def new_token() -> tuple[str, str, str]:
    """Make a key.

    Returns:
        Its id, the digest to keep, and the whole key, which is shown once and kept nowhere.
    """
    key_id, secret = _random(8), _random(32)
    return key_id, digest(secret), f"tutti_{key_id}_{secret}"


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def digest(secret: str) -> str:
    """Hash a secret for keeping."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _monotonic() -> float:
    return time.monotonic()  # looked up at each call, so that tests can move it


class Keyring:
    """Says whether a key is good. Remembers for seconds, by the hash of the key and never the key itself.

    Args:
        store: Where keys are kept.
        clock: Seconds since the epoch.
    """

    def __init__(self, store: KeyStore, clock: Callable[[], float] = time.time) -> None:
        self._store, self._clock = store, clock
        self._known: TTLCache[str, ApiKey | None] = TTLCache(CAPACITY, REMEMBERED, timer=_monotonic)
        self._lock = threading.Lock()

    def check(self, token: str) -> ApiKey | None:
        """Give the key that this text is, or None where it is not a valid one. May ask the ledger."""
        match = TOKEN.fullmatch(token)
        if match is None:
            return None
        key = self._remembered(digest(token), lambda: self._verify(match["id"], match["secret"]))
        return key if key and key.valid(self._clock()) else None

    def by_id(self, key_id: str) -> ApiKey | None:
        """Give the valid key of that id, for a browser that has shown it before."""
        key = self._remembered(f"id:{key_id}", lambda: self._store.get(key_id))
        return key if key and key.valid(self._clock()) else None

    def of_login(self, login: Login) -> ApiKey | None:
        """Give the valid key of a browser's login that has not ended."""
        key = self._remembered(f"login:{login.id}", lambda: self._of_login(login))
        return key if key and key.valid(self._clock()) else None

    def end(self, login: Login) -> None:
        """End a login: here at once, elsewhere when what is remembered of it is too old."""
        self._store.end_login(login.id, login.until)
        with self._lock:
            self._known[f"login:{login.id}"] = None

    def _of_login(self, login: Login) -> ApiKey | None:
        return None if self._store.has_ended(login.id) else self._store.get(login.key_id)

    def _verify(self, key_id: str, secret: str) -> ApiKey | None:
        """Compare in constant time, with a digest that fits nothing where there is no such key."""
        key = self._store.get(key_id)
        expected = key.digest if key else "0" * 64
        return key if hmac.compare_digest(digest(secret), expected) else None

    def _remembered(self, name: str, ask: Callable[[], ApiKey | None]) -> ApiKey | None:
        with self._lock, contextlib.suppress(KeyError):
            return self._known[name]
        key = ask()  # without the lock: the ledger may be slow
        with self._lock:
            self._known[name] = key
        return key
