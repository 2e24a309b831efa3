"""A real RabbitMQ of one test module, on loopback, with a folder, cookie and epmd of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kombu import Connection

from tests import needs
from tests.servers.freezing import Freezing
from tests.servers.gateway import free_port
from tests.servers.parent import bound

# Debian's wrappers in /usr/sbin change the user and the folder; the programs themselves run as anybody.
SCRIPTS = Path("/usr/lib/rabbitmq/bin")
CONFIGURATION = """\
listeners.tcp.local = 127.0.0.1:{port}
disk_free_limit.absolute = 1MB
raft.wal_max_size_bytes = 16777216
"""


class RabbitMQ(Freezing):
    """`start`, `stop` (SIGTERM) and `kill` (SIGKILL) may follow each other; the data stays until `close`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rabbitmq-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._environment = self._prepare()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def client(self) -> Connection:
        return Connection(self.url, connect_timeout=5)

    def start(self) -> None:
        needs.server()
        if self._epmd is None:  # the server would start one that outlives it
            self._epmd = subprocess.Popen(
                bound([needs.program("epmd", package="rabbitmq-server"), "-address", "127.0.0.1"]),
                env=self._environment,
            )
        with (self.folder / "rabbitmq.out").open("ab") as out:
            self.process = subprocess.Popen(
                bound([script()]), env=self._environment, cwd=self.folder, stdout=out, stderr=out
            )
        self._await_answer(self.process, time.monotonic() + 120)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def close(self) -> None:
        self.kill()
        if self._epmd:
            self._epmd.kill()
            self._epmd.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _prepare(self) -> dict[str, str]:
        """Write its configuration; the environment that leads to it comes back."""
        (self.folder / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port))
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "environment").touch()
        of_its_own = {
            "HOME": str(self.folder),  # the cookie
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_NODENAME": f"{self.folder.name}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "environment"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "true",  # the shell becomes the server, whose pid is then ours to end
        }
        return os.environ | of_its_own

    def _await_answer(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        while not self._answers():
            said = (self.folder / "rabbitmq.out").read_text
            assert process.poll() is None, said()
            assert time.monotonic() < deadline, said()
            time.sleep(0.05)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), self.client() as client:
            client.channel().close()
            return True
        return False

    def _end(self, number: int) -> None:
        if self.process:
            self.process.send_signal(number)
            self.process.wait(60)


def script(name: str = "rabbitmq-server") -> str:
    """The path of one of RabbitMQ's programs."""
    bare = SCRIPTS / name
    return str(bare) if bare.exists() else needs.program(name, package="rabbitmq-server")


@contextlib.contextmanager
def running() -> Iterator[RabbitMQ]:
    """A started RabbitMQ, gone with its data at the end."""
    server = RabbitMQ()
    try:
        server.start()
        yield server
    finally:
        server.close()
