"""Whatever letters a folder's name has, the URL or pattern made of it leads to that folder and no other."""

from __future__ import annotations

import fnmatch
import os
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection
from kombu.utils.url import url_to_parts

from nginx.paths import paths
from tasks.settings import Settings, places

NAMES = st.text(
    st.characters(blacklist_characters="/\x00", blacklist_categories=["Cs"]), min_size=1, max_size=30
).filter(lambda name: name not in {".", ".."})
ODD = st.one_of(NAMES, st.text("#?%[]*$ &;'\"\\{}+@:~ü\n", min_size=1, max_size=12))
FOLDERS = st.lists(ODD, min_size=1, max_size=3).map(lambda names: Path("/", *names))


@given(FOLDERS)
def test_the_ledger_lies_where_its_url_says(folder: Path) -> None:
    url = Settings(data=folder).ledger
    assert url.database == str(folder / "ledger.db")
    text = url.render_as_string(hide_password=False)
    assert sa.make_url(text).database == str(folder / "ledger.db")
    assert places.database_url(text).database == str(folder / "ledger.db")


@given(FOLDERS)
def test_the_broker_is_reached_where_its_socket_is(folder: Path) -> None:
    with Connection(places.socket_broker_url(folder / "broker.sock")) as connection:
        assert (connection.transport_cls, connection.alt) == ("redis", [])
        read = url_to_parts(connection.hostname)  # as kombu's channel does when it connects
    assert (read.scheme, f"/{read.path}", read.query) == ("socket", str(folder / "broker.sock"), {})


@given(FOLDERS)
def test_the_embedded_broker_has_a_plain_name(folder: Path) -> None:
    run = Settings(data=folder).run_path
    assert places.PLAIN.match(str(run))
    assert len(os.fsencode(run / "worker-00.sock")) <= places.UNIX_PATH_MAX
    assert run == Settings(data=folder).run_path


@pytest.mark.parametrize("other", ["/nowhere", "/home/long" * 20, "/home/take $1"])
def test_parts_with_different_temporary_folders_meet(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Settings(data=Path("/srv/take #1")).run_path
    monkeypatch.setattr(tempfile, "tempdir", other)
    assert Settings(data=Path("/srv/take #1")).run_path == run
    assert places.is_plain(run)


@given(ODD)
def test_a_pattern_finds_just_the_folders_own_files(name: str) -> None:
    with tempfile.TemporaryDirectory() as around:
        folder = Path(around, name)
        try:
            folder.mkdir()
        except OSError:
            return  # no name of a folder here
        (folder / "web.jsonl").touch()
        pattern = places.pattern(folder, "*.jsonl*")
        assert list(Path("/").glob(pattern.lstrip("/"))) == [folder / "web.jsonl"]
        assert fnmatch.fnmatchcase(str(folder / "web.jsonl"), pattern)


@given(FOLDERS, ODD)
def test_nginx_reads_nothing_but_plain_names(folder: Path, file: str) -> None:
    found = paths(Settings(data=folder, tls_certificate=folder / file, tls_key=folder / file))
    for path in (found.logs, found.songs, found.certificate, found.key):
        assert places.PLAIN.match(str(path))


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(["redis", "amqp"]))
def test_a_password_of_any_letters_can_be_written(user: str, password: str, scheme: str) -> None:
    from urllib.parse import quote

    try:
        url = f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@host:6379//"
    except UnicodeEncodeError:
        return
    assert places.broker_url(url) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "redis",
        "redis://",
        "redis//host",
        "http://host",
        "redis://host:port/0",
        "redis:// host",
        "amqp://u:p w@h",
    ],
)
def test_what_is_no_broker_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="redis://host:6379/0"):
        places.broker_url(text)


@pytest.mark.parametrize(
    "text", ["", "x", "sqlite://", "sqlite:///:memory:", "postgresql://db", "mysql://db/tutti", "http://db/x"]
)
def test_what_is_no_ledger_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)address|file|name"):
        places.database_url(text)


@pytest.mark.parametrize(
    "text", ["postgresql://u:p@db/tutti", "postgres://db/tutti", "postgresql+psycopg://db/x?sslmode=require"]
)
def test_every_way_to_write_postgresql_takes_the_driver_we_have(text: str) -> None:
    assert places.database_url(text).drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "text",
    [
        "music.example.org",
        "ftp://host",
        "http://",
        "http://a b",
        "http://host/?x",
        "http://host:0",
        "http://[::1",
    ],
)
def test_what_people_cannot_open_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has to"):
        places.http_url(text)
