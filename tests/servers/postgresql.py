"""A real PostgreSQL of the test run, on a socket in a short folder, run by an unprivileged user."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import psycopg

from tasks.ledger import Ledger
from tests import needs

FOLDERS = ("/usr/local/bin", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True))


class Postgresql:
    """One server; `url` makes a fresh database of it for each test.

    Args:
        options: Further settings, such as "wal_writer_delay=10s".
    """

    def __init__(self, *options: str) -> None:
        self._options = options
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.process: subprocess.Popen[bytes] | None = None
        self._template: str | None = None

    def start(self) -> None:
        needs.server()
        if not (self.folder / "data").exists():
            self._initialise()
        command = [
            program("postgres"),
            "-D",
            self.folder / "data",
            "-k",
            self.folder,
            "-c",
            "listen_addresses=",
        ]
        for option in ("max_connections=200", "shared_buffers=32MB", *self._options):
            command += ["-c", option]
        with (self.folder / "postgres.log").open("ab") as log:
            self.process = self._run(subprocess.Popen, command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "postgres.log").read_text()
            time.sleep(0.02)

    def _initialise(self) -> None:
        if os.getuid() == 0:
            os.chown(self.folder, _nobody().pw_uid, _nobody().pw_gid)
        command = [program("initdb"), "-D", self.folder / "data", "-U", "tutti", "-A", "trust", "--no-sync"]
        self._run(subprocess.run, command, check=True, capture_output=True)

    def _run(self, how, command, **options):
        if os.getuid() == 0:  # the server refuses to run as root
            user = _nobody()
            options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        return how([str(part) for part in command], cwd=self.folder, **options)

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self):
        return psycopg.connect(host=str(self.folder), user="tutti", dbname="postgres", autocommit=True)

    def url(self, template: str = "template1") -> str:
        """A fresh database, as a copy of another one's tables."""
        name = f"t{secrets.token_hex(6)}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return f"postgresql://tutti@/{name}?host={self.folder}"

    def ledger_url(self) -> str:
        """An empty ledger, migrated once and then copied."""
        if self._template is None:
            url = self.url()
            Ledger(url).close()
            self._template = url.split("/")[3].split("?")[0]
        return self.url(self._template)

    def kept(self) -> dict[Path, bytes]:
        """All that lies in its files, what was written a moment ago included."""
        with self._connect() as connection:
            connection.execute("CHECKPOINT")
        found = {}
        for file in self.folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # the server removes files of its own, too
                if file.is_file():
                    found[file] = file.read_bytes()
        return found

    def kill(self) -> None:
        """As the kernel would end it in want of memory: its children, too."""
        if self.process:
            self.process.send_signal(3)  # SIGQUIT: immediate shutdown, recovery at the next start
            self.process.wait(30)

    def crash(self) -> None:
        """SIGKILL to the server and all its children at once."""
        if self.process:
            whole = psutil.Process(self.process.pid)
            for one in (whole, *whole.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            self.process.wait(30)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs."""
    for folder in FOLDERS:
        if (Path(folder) / name).exists():
            return str(Path(folder) / name)
    return needs.program(name, package="postgresql")
