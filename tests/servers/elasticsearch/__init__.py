"""A real Elasticsearch of one node, on a free port of loopback, with a fresh folder of data."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from tests.servers.elasticsearch import security
from tests.servers.elasticsearch.layout import java_home, prepared

START_SECONDS = 280


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Node:
    """`start`, `stop` and `kill` may follow each other; port and data stay until `close`."""

    def __init__(self, *, secure: bool = False, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="elasticsearch-"))
        self.port = free_port()
        self.secure = secure
        self.settings = {**(security.SETTINGS if secure else {}), **settings}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Elasticsearch:
        """A client who may do anything."""
        administrator = (security.USER, security.PASSWORD) if self.secure else None
        return Elasticsearch(self.url, request_timeout=60, basic_auth=administrator)

    def start(self, **settings: str) -> None:
        with (self.folder / "node.log").open("ab") as log:
            self.process = subprocess.Popen(self._command(settings), stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "node.log").read_text()[-3000:]
            assert time.monotonic() < deadline, "Elasticsearch did not start in time"
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(60)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(60)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _command(self, settings: dict[str, str]) -> list[str]:
        home = security.prepared_with_security() if self.secure else prepared()
        options = {
            "path.data": str(self.folder / "data"),
            "path.logs": str(self.folder / "logs"),
            "http.port": str(self.port),
            "transport.port": "0",
            "network.host": "127.0.0.1",
            "discovery.type": "single-node",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "indices.breaker.total.use_real_memory": "false",
            **self.settings,
            **settings,
        }
        java = [str(java_home() / "bin" / "java"), "-Xms1g", "-Xmx1g", "-XX:+UseSerialGC"]
        java += ["--enable-native-access=ALL-UNNAMED", f"-Des.nativelibs.path={home / 'lib' / 'platform'}"]
        java += ["-cp", f"{home / 'classes'}:{home / 'lib'}/*", "OneNode", str(home)]
        return java + [f"{name}={value}" for name, value in options.items()]

    def _answers(self) -> bool:
        with contextlib.suppress(TransportError, ApiError), self.client() as client:
            return bool(client.cluster.health(wait_for_status="yellow").body)
        return False


@contextlib.contextmanager
def running(*, secure: bool = False, **settings: str) -> Iterator[Node]:
    """A started node, gone with its data at the end."""
    node = Node(secure=secure, **settings)
    try:
        node.start()
        yield node
    finally:
        node.close()
