"""A real PgBouncer in transaction mode before a test's PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests import needs
from tests.servers.postgresql import Postgresql

CONFIGURATION = """
[databases]
* = host={server} user=tutti

[pgbouncer]
listen_addr =
listen_port = 5432
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 200
logfile = {folder}/pgbouncer.log
pidfile =
"""


class Pgbouncer:
    """Hands `sessions` sessions of the server out to as many clients as come, for a transaction each."""

    def __init__(self, server: Postgresql, sessions: int = 2) -> None:
        self._server = server
        self._sessions = sessions
        self.folder = Path(tempfile.mkdtemp(prefix="pgb-"))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        needs.server()
        file = self.folder / "pgbouncer.ini"
        file.write_text(
            CONFIGURATION.format(server=self._server.folder, folder=self.folder, sessions=self._sessions)
        )
        account = {}
        if os.getuid() == 0:  # it refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        program = needs.program("pgbouncer", package="pgbouncer")
        self.process = subprocess.Popen([program, "-q", file], cwd=self.folder, **account)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "pgbouncer.log").read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            psycopg.connect(host=str(self.folder), dbname="postgres", prepare_threshold=None).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, url: str) -> str:
        """The way to a database of the server through this."""
        return url.replace(str(self._server.folder), str(self.folder))

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)
