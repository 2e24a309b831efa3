"""Other accounts of the same machine: what they may read, reach, and lay ready for us."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from nginx.keycache import MEMORY, cache_folder
from tasks.security.folders import FolderRefused, claim, own
from tasks.settings import Settings, places
from tasks.storage.folders import located
from tests.security.people import Neighbour, neighbour, open_folder
from tests.servers.gateway import free_port, house, until
from tests.servers.tutti import Tutti, running
from tests.servers.web import process

ID = "a_01hzzzzzzzzzzzzzzzzzzzzzzz"


@pytest.fixture(scope="module")
def other() -> Iterator[Neighbour]:
    with neighbour() as made:
        yield made


@pytest.fixture(scope="module")
def tutti() -> Iterator[Tutti]:
    """A whole one, started by root in a folder that everyone may enter, as `make run` in /srv would be."""
    with open_folder() as folder, running(folder / "var") as started:
        yield started


def test_nothing_below_data_is_read_by_a_neighbour(tutti: Tutti, other: Neighbour) -> None:
    job = tutti.wait(tutti.submit()["id"])
    kept = located(tutti.data / "output", job["outputs"][0]["name"])
    assert other.run("ls", str(tutti.data)).returncode != 0
    readable = other.run("find", str(tutti.data), "-readable", "-print").stdout
    assert readable == "", readable
    song = kept.relative_to(tutti.data)
    logs = ("log/web.jsonl", "log/nginx.jsonl", "log/worker.jsonl")
    for name in ("ledger.db", "secret", *logs, "run/nginx/nginx.conf", song):
        assert (tutti.data / name).exists(), name
        assert other.run("cat", str(tutti.data / name)).returncode != 0, name


def test_no_socket_of_ours_answers_a_neighbour(tutti: Tutti, other: Neighbour) -> None:
    sockets = list((tutti.data / "run").glob("*.sock"))
    assert {path.name for path in sockets} >= {"web.sock", "broker.sock"}
    code = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    for path in sockets:
        assert "PermissionError" in other.python(code, str(path)).stderr, path.name


def test_file_modes_after_a_start(tutti: Tutti) -> None:
    """Folders lead through for nginx's account alone; of files only songs may be read, behind them."""
    assert stat.S_IMODE(tutti.data.stat().st_mode) & 0o027 == 0
    for path in tutti.data.rglob("*"):
        found = path.lstat()
        if stat.S_ISSOCK(found.st_mode) or path.name == "printed.log":
            continue
        others = stat.S_IMODE(found.st_mode) & 0o007
        song = "output" in path.relative_to(tutti.data).parts[:-1]
        assert not others or song, f"{path} {stat.S_IMODE(found.st_mode):o}"
        assert not stat.S_IMODE(found.st_mode) & 0o022, path


def test_nginxs_workers_are_not_root_and_still_serve(tutti: Tutti) -> None:
    pid = int((tutti.data / "run/nginx/nginx.pid").read_text())
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    uids = {Path(f"/proc/{child}").stat().st_uid for child in children}
    assert uids
    assert 0 not in uids
    job = tutti.wait(tutti.submit()["id"])
    assert httpx.get(f"{tutti.url}{job['outputs'][0]['url']}").status_code == 200
    assert httpx.get(f"{tutti.url}/flower/").status_code == 200
    os.kill(pid, 10)  # SIGUSR1: the workers open the log anew
    log = tutti.data / "log/nginx.jsonl"
    before = log.stat().st_size
    httpx.get(f"{tutti.url}/livez")
    until(lambda: log.stat().st_size > before, "the line of a request after that")


def test_where_an_account_cannot_go_the_gateway_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with house(tmp_path) as built:
        built.add_node("n1")
        built.tell({"address": built.nodes["n1"].address})
        built.start()
        assert "nginx's workers run as root" in (built.data / "log/nginx.jsonl").read_text()
    with (
        house(tmp_path, gateway_user="nobody") as built,
        pytest.raises(AssertionError, match="nobody cannot enter"),
    ):
        built.start()
    with house(tmp_path, gateway_user="no-such") as built, pytest.raises(AssertionError, match="no account"):
        built.start()


def test_what_is_inside_is_not_a_neighbours_on_loopback(tutti: Tutti, other: Neighbour) -> None:
    for path in ("/flower/", "/flower/api/workers", "/metrics", "/analytics"):
        assert httpx.get(f"{tutti.url}{path}").status_code != 403, path  # Flower's own API wants a login
        assert other.status(f"{tutti.url}{path}") == 403, path
    shutdown = f"{tutti.url}/flower/api/worker/shutdown/x"
    assert other.status(shutdown, "-X", "POST", "-d", "") == 403


def test_a_neighbour_has_a_list_of_its_own_on_loopback(
    other: Neighbour, tutti: Tutti, tmp_path: Path
) -> None:
    _own_lists(other, tutti.url)
    with process(tmp_path, port=free_port()) as web:
        _own_lists(other, web.url)


def _own_lists(other: Neighbour, url: str) -> None:
    mine = httpx.post(f"{url}/v1/jobs", json={"prompt": "my own calm song", "duration": 600}).json()["id"]
    assert "my own calm song" not in other.get(f"{url}/v1/jobs")
    assert other.status(f"{url}/v1/jobs/{mine}/cancel", "-X", "POST") == 403
    body = ["-H", "Content-Type: application/json", "-d", '{"prompt": "the other song", "duration": 5}']
    assert other.status(f"{url}/v1/jobs", *body) == 202
    assert "the other song" in other.get(f"{url}/v1/jobs")
    assert "the other song" not in httpx.get(f"{url}/v1/jobs").text


def test_a_folder_that_a_neighbour_made_first_is_refused(other: Neighbour, tmp_path: Path) -> None:
    """A DATA of a long name has its sockets in /tmp, under a name that anyone can work out."""
    settings = Settings(data=tmp_path / ("long" * 30))
    assert settings.run_path.parent == places.TEMPORARY
    other.run("mkdir", "-m", "777", str(settings.run_path))
    listening = "import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()"
    other.python(listening, f"{settings.run_path}/web.sock")
    try:
        with pytest.raises(FolderRefused, match="belongs to another account"):
            claim(settings)
        environment = {**os.environ, "TUTTI_DATA": str(settings.data), "TUTTI_PORT": "9017"}
        for part in ("up", "web", "gateway", "worker", "dispatch", "flower"):
            done = subprocess.run(
                [sys.executable, "-m", "compose.cli", part], env=environment, capture_output=True, text=True,
                check=False, timeout=120,
            )  # fmt: skip
            assert done.returncode == 1, part
            assert "belongs to another account" in done.stderr
            assert "Traceback" not in done.stderr
    finally:
        subprocess.run(["rm", "-rf", settings.run_path], check=True)


def test_a_run_folder_of_ours_is_closed_again_and_a_link_refused(tmp_path: Path) -> None:
    (ours := tmp_path / "run").mkdir(mode=0o777)
    ours.chmod(0o777)
    own(ours)
    assert stat.S_IMODE(ours.stat().st_mode) == 0o700
    (tmp_path / "link").symlink_to(ours)
    with pytest.raises(FolderRefused, match="not a folder"):
        own(tmp_path / "link")


def test_what_clears_old_files_away_leaves_the_run_folder(tmp_path: Path) -> None:
    """systemd-tmpfiles clears no folder on which it cannot get a lock."""
    settings = Settings(data=tmp_path / ("long" * 30))
    words = "from tasks.security.folders import claim; from tasks.settings import Settings\n"
    words += "claim(Settings()); print(flush=True); input()"
    environment = {**os.environ, "TUTTI_DATA": str(settings.data)}
    part = subprocess.Popen(
        [sys.executable, "-c", words], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert part.stdout
        part.stdout.readline()
        assert not _lockable(settings.run_path)
        part.communicate(b"\n", timeout=60)
        assert _lockable(settings.run_path)
    finally:
        part.kill()
        settings.run_path.rmdir()


def _lockable(folder: Path) -> bool:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def test_a_folder_for_sockets_that_cannot_be_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "TEMPORARY", tmp_path / "closed")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "take $1"))
    with pytest.raises(FolderRefused, match="set TUTTI_RUN"):
        claim(Settings(data=tmp_path / "take $1"))


def test_data_is_closed_to_others_and_not_taken_from_them(other: Neighbour) -> None:
    with open_folder() as folder:
        (data := folder / "var").mkdir(mode=0o755)
        claim(Settings(data=data))
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        (theirs := folder / "theirs").mkdir()
        os.chown(theirs, other.uid, other.gid)
        with pytest.raises(FolderRefused, match="belongs to another account"):
            claim(Settings(data=theirs))


def test_nothing_laid_ready_in_shared_memory_is_used(other: Neighbour, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("k")
    guessed = f"tutti-{os.getuid()}-0123456789abcdef"
    other.run("mkdir", "-m", "777", str(MEMORY / guessed))
    other.run("ln", "-s", "/etc/passwd", str(MEMORY / f"{guessed}.lock"))
    try:
        with house(tmp_path, keys="on") as built:
            built.add_node("n1")
            built.tell({"address": built.nodes["n1"].address})
            built.start()
            cache = cache_folder(built.data / "run")
            assert cache is not None
            assert len(cache.name.rpartition("-")[2]) == 32, "nobody guesses it"
            assert other.run("ls", str(cache)).returncode != 0
            assert {
                path.stat().st_uid for path in MEMORY.glob(f"tutti-{os.getuid()}-*.lock") if path.exists()
            } <= {0}
            built.stop()
            assert not cache.exists()
        assert (MEMORY / guessed).is_dir(), "what is another's is left alone"
    finally:
        other.run("rm", "-rf", str(MEMORY / guessed), str(MEMORY / f"{guessed}.lock"))


def test_songs_of_a_nas_are_readable_by_whom_their_folder_lets_in(tmp_path: Path) -> None:
    from tasks.storage.songs import Storage

    before = os.umask(0o077)
    try:
        storage = Storage(tmp_path / "nas", reserve=0)
        storage.prepare()
        storage.publish(f"{ID}.mid", 1, b"MThd")
    finally:
        os.umask(before)
    assert stat.S_IMODE(located(tmp_path / "nas", f"{ID}.mid").stat().st_mode) == 0o644


def test_the_kernel_tells_accounts_apart_and_a_closed_connection_is_nobodys(other: Neighbour) -> None:
    from web.request.neighbour import NOBODY_KNOWN, _account
    from web.request.socket_owner import End

    def account(port: int, to: int, connection: str) -> int:
        return _account(End("127.0.0.1", port), End("127.0.0.1", to), connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as mine:
            own = mine.getsockname()[1]
            assert account(own, port, "1") == os.geteuid()
            assert account(own, port + 1, "2") == NOBODY_KNOWN
        assert account(own, port, "3") == NOBODY_KNOWN
        code = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.recv(1)"
        child = subprocess.Popen(["/usr/bin/python3", "-c", code, str(port)], user=other.uid, cwd="/")
        server.accept()[0].close()
        link, (_, theirs) = server.accept()
        assert account(theirs, port, "4") == other.uid
        link.sendall(b"x")
        link.close()
        child.wait(30)
