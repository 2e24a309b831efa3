"""URLs, paths and patterns made of values: whatever letters a folder's name has, they lead to that folder.

Each is made by the way that its reader undoes: SQLAlchemy's URL, percent-encoding for kombu, `glob.escape`
for patterns. Nothing in Tutti puts a path into a string by itself.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from sqlalchemy import URL

UNIX_PATH_MAX: Final = 100  # sun_path holds 108 bytes on Linux and 104 on macOS; room is left for the name
PLAIN: Final = re.compile(r"^[A-Za-z0-9/._+-]+\Z")  # needs quoting nowhere
TEMPORARY: Final = Path("/tmp")  # noqa: S108 - what is made there is looked at (tasks/security/folders.py)
DATABASES: Final = ("sqlite", "postgresql", "postgres")
SEVERAL_HOSTS: Final = re.compile(
    r"^(?P<before>postgres(ql)?(\+\w+)?://([^@/?]*@)?)(?P<hosts>[^@/?,]+(,[^@/?,]+)+)(?P<after>/.*)$"
)
BROKERS: Final = ("redis", "rediss", "redis+socket", "amqp", "amqps", "pyamqp")


def sqlite_url(path: Path) -> URL:
    """The URL of a SQLite file."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(path))


def database_url(text: str) -> URL:
    """Read the ledger's URL.

    Raises:
        ValueError: It is no URL of a database that can hold the ledger.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        hosts, rest = _several_hosts(text)
        url = make_url(rest)
        if hosts:
            url = url.update_query_dict({"host": hosts})
    except (ArgumentError, ValueError):
        raise ValueError(_database_hint()) from None
    backend = url.drivername.split("+")[0]
    if backend not in DATABASES:
        raise ValueError(_database_hint())
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("needs a file: sqlite:////path/to/ledger.db")
    if backend != "sqlite" and not url.database:
        raise ValueError("has to end in the database's name, as in postgresql://tutti@db/tutti")
    return url.set(drivername="postgresql+psycopg") if backend != "sqlite" else url


def _several_hosts(text: str) -> tuple[list[str], str]:
    """The hosts of a URL that names several as libpq does (`a:5432,b:5432`), and the URL without them."""
    if not (found := SEVERAL_HOSTS.match(text)):
        return [], text
    return found["hosts"].split(","), f"{found['before']}{found['after']}"


def _database_hint() -> str:
    return (
        "has to be an address such as postgresql://user:password@host/tutti or sqlite:////path/to/ledger.db; "
        "letters such as @ : / ? # % in a password or path are written %40 %3A %2F %3F %23 %25"
    )


def socket_broker_url(path: Path) -> str:
    """The kombu URL of a Redis-protocol server on a socket."""
    return f"redis+socket://{quote(os.fsencode(path), safe='/')}"


def broker_url(text: str) -> str:
    """Check a kombu URL, or several with `;` between them.

    Raises:
        ValueError: It is no URL of a broker that Tutti works with.
    """
    for part in text.split(";"):
        scheme, found, rest = part.strip().partition("://")
        try:
            named = bool(urlsplit("http://" + rest).port or True)
        except ValueError:
            named = False
        if not (found and rest and scheme in BROKERS and named) or re.search(r"\s", part.strip()):
            raise ValueError(
                "has to be an address such as redis://host:6379/0, redis+socket:///run/broker.sock or "
                "amqp://user:password@host//; letters such as @ : / ? # % in a password are written "
                "%40 %3A %2F %3F %23 %25"
            )
    return text


def http_url(text: str) -> str:
    """Check the address of a server that is reached over HTTP; comes back without a slash at the end.

    Raises:
        ValueError: It is no such address.
    """
    try:
        parts = urlsplit(text)
        wrong = parts.port == 0 or not parts.hostname
    except ValueError:
        wrong = True
    if wrong or parts.scheme not in {"http", "https"} or re.search(r"[\s\"'<>\\$;{}]", text):
        raise ValueError(
            "has to be a plain address such as https://music.example.org or http://[2001:db8::1]:8000"
        )
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise ValueError("has to end before any ? or #")
    return text.rstrip("/")


def pattern(folder: Path, names: str) -> str:
    """A glob pattern for names in one folder, whose own name means just itself."""
    return f"{glob.escape(str(folder))}/{names}"


def plain_folder(wanted: Path) -> Path:
    """A folder for sockets and for what reads paths without quotes.

    It is the one that is wanted unless its name is too long for a socket or has letters that servers give a
    meaning; then one of the same account's in the temporary folder, which others find by the same name.
    """
    if is_plain(wanted):
        return wanted
    digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return _temporary() / f"tutti-{os.getuid()}-{digest}"


def is_plain(folder: Path) -> bool:
    """Whether sockets fit below a folder, and every server can read its name without quotes."""
    fits = len(os.fsencode(folder)) + len("/worker-00.sock") <= UNIX_PATH_MAX
    return fits and bool(PLAIN.match(str(folder)))


def _temporary() -> Path:
    """Not TMPDIR's if it can be helped: a service's is another than its keeper's, and they meet here."""
    return TEMPORARY if os.access(TEMPORARY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
