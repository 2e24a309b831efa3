"""A real nginx in front of real uvicorn processes, each in its own temporary folder."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from nginx.gateway import available
from tasks.settings import Settings
from tests import needs

START = """
import json, sys
from pathlib import Path
from nginx.gateway import begin, run
from nginx.node import Backends, CanaryShare, Upstream
from tasks.settings import Settings

BEFORE
options, backends = json.loads(sys.argv[1]), Path(sys.argv[2])

def now():
    state = json.loads(backends.read_text())
    nodes = tuple(Upstream(**node) for node in state["nodes"])
    return Backends(nodes, CanaryShare(state["canary"]) if state["canary"] else None)

settings = Settings(**options)
begin(settings)
sys.exit(run(settings, backends=now if backends.exists() else None, secret="0123456789abcdef",
             tick=0.05, settle=0.05, rest=0.1))
"""


AUTHORITY = """
[ca]
default_ca = own
[own]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = named
[named]
commonName = supplied
"""


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    kind = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    command = f"openssl req -x509 {kind} -days 2 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", key, "-out", chain], check=True, capture_output=True)
    return chain, key


def certificate_until(folder: Path, ends: float) -> tuple[Path, Path]:
    """A self-signed certificate that ends, or has ended, at a time of the epoch; and its key."""
    chain, key = certificate(folder)
    (folder / "ca.cnf").write_text(AUTHORITY.format(folder=folder))
    (folder / "index").touch()
    (folder / "serial").write_text("01")
    times = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(at)) for at in (ends - 30 * 86_400, ends)]
    asked = ["openssl", "req", "-new", "-key", key, "-subj", "/CN=localhost", "-out", folder / "asked.csr"]
    made = ["openssl", "ca", "-batch", "-notext", "-config", folder / "ca.cnf", "-selfsign", "-keyfile", key]
    made += ["-in", folder / "asked.csr", "-startdate", times[0], "-enddate", times[1], "-out", chain]
    for command in (asked, made):
        subprocess.run(command, check=True, capture_output=True)
    return chain, key


def free_port(host: str = "127.0.0.1") -> int:
    """A port below those that the kernel gives to clients.

    Of those a client may take the port before the server does, and one that polls may even connect to itself.
    """
    while True:
        with socket.socket() as sock, contextlib.suppress(OSError):
            port = random.SystemRandom().randrange(10_000, 32_000)
            sock.bind((host, port))
            return port


def until(holds: Callable[[], object], what: str, seconds: float = 60.0) -> Any:
    """Poll until `holds()` is true and return its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := holds():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def member(line: dict[str, Any], path: str) -> Any:
    """A member of a nested line: `url__path` is line["url"]["path"]."""
    for name in path.split("__"):
        line = line[name]
    return line


def answers(address: str) -> bool:
    family = socket.AF_UNIX if address.startswith("unix:") else socket.AF_INET
    host, _, port = address.rpartition(":")
    target = address.removeprefix("unix:") if family == socket.AF_UNIX else (host, int(port))
    with socket.socket(family) as sock:
        sock.settimeout(1)
        return sock.connect_ex(target) == 0


def generations(data: Path) -> set[int]:
    """The pids of the worker processes of the nginx of this folder."""
    pid_file = Settings(data=data).run_path / "nginx/nginx.pid"
    master = int(until(lambda: pid_file.exists() and pid_file.read_text().strip(), "the pid is written"))
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return {int(pid) for pid in children}


@dataclass
class Node:
    address: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class House:
    """A gateway with its nodes; everything ends with the test."""

    folder: Path
    options: dict[str, Any]
    nodes: dict[str, Node] = field(default_factory=dict)
    gateway: subprocess.Popen[bytes] | None = None

    def add_node(self, name: str, address: str | None = None) -> Node:
        address = address or f"unix:{self.folder}/{name}.sock"
        environment = {
            **os.environ,
            "NODE_NAME": name,
            "NODE_ADDRESS": address,
            "NODE_FOLDER": str(self.folder),
        }
        process = subprocess.Popen([sys.executable, "-m", "tests.servers.gateway_nodes"], env=environment)
        self.nodes[name] = Node(address, process)
        until(lambda: answers(address), f"node {name} listens")
        return self.nodes[name]

    def tell(self, *states: dict[str, Any], canary: float = 0.0) -> None:
        """Say who stands behind the gateway from now on."""
        text = json.dumps({"nodes": states, "canary": canary})
        (self.folder / "backends.new").write_text(text)
        (self.folder / "backends.new").replace(self.folder / "backends")

    def start(self, before: str = "") -> None:
        script = START.replace("BEFORE", before)
        arguments = [
            sys.executable,
            "-c",
            script,
            json.dumps(self.options, default=str),
            str(self.folder / "backends"),
        ]
        self.gateway = subprocess.Popen(arguments, stderr=(self.folder / "gateway.err").open("wb"))
        until(self._up, "the gateway listens")

    def _up(self) -> bool:
        assert self.gateway is not None
        if self.gateway.poll() is not None:
            raise AssertionError((self.folder / "gateway.err").read_text())
        pid_file = Settings(data=self.data).run_path / "nginx/nginx.pid"
        return answers(f"127.0.0.1:{self.port}") and pid_file.exists() and pid_file.read_text() != ""

    def stop(self) -> int:
        assert self.gateway is not None
        self.gateway.send_signal(signal.SIGTERM)
        return self.gateway.wait(30)

    @property
    def port(self) -> int:
        return int(self.options["port"])

    @property
    def url(self) -> str:
        return f"{'https' if 'tls_key' in self.options else 'http'}://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return Path(self.options["data"])

    def client(self, source: str = "127.0.0.1", **more: Any) -> httpx.Client:
        """A client; every address in 127.0.0.0/8 is another person."""
        transport = httpx.HTTPTransport(local_address=source, verify=False)
        return httpx.Client(base_url=self.url, transport=transport, timeout=20, **more)

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are and read until the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as raw:
            raw.sendall(request)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while part := raw.recv(65536):
                    answer += part
        return answer

    def lines(self) -> list[dict[str, Any]]:
        """What the access log holds so far, read as the shipper reads it."""
        raw = (self.data / "log/nginx.jsonl").read_bytes()
        return [json.loads(line.decode(errors="replace")) for line in raw.split(b"\n") if line]

    def line(self, action: str = "http.request", **holds: Any) -> dict[str, Any]:
        """Wait for the line of one request: by its path, its status or any other member, dots for depth."""

        def found() -> dict[str, Any] | None:
            fitting = (one for one in self.lines() if one["event"]["action"] == action)
            return next((one for one in fitting if all(member(one, k) == v for k, v in holds.items())), None)

        return until(found, f"a line {action} with {holds}")

    def reopen(self) -> None:
        assert self.gateway is not None
        self.gateway.send_signal(signal.SIGUSR1)

    def generations(self) -> set[int]:
        """The pids of the worker processes of nginx."""
        return generations(self.data)

    def close(self) -> None:
        for process in [self.gateway, *(node.process for node in self.nodes.values())]:
            if process and process.poll() is None:
                process.terminate()
        for process in [self.gateway, *(node.process for node in self.nodes.values())]:
            if process:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                process.kill()
                process.wait()


@contextlib.contextmanager
def house(folder: Path, **options: Any) -> Iterator[House]:
    """A house with its settings; nodes and gateway are started by the test."""
    if available() is None:
        needs.missing("nginx", "apt-get install nginx")
    known = {"data": folder / "var", "port": free_port(), "drain_seconds": 5, "hosts": "a"}
    built = House(folder, known | options)
    try:
        yield built
    finally:
        built.close()


def standing(
    folder: Path, nodes: int = 1, canary: float = 0.0, **options: Any
) -> contextlib.AbstractContextManager[House]:
    """A house that is up: `nodes` web nodes on unix sockets behind a gateway."""

    @contextlib.contextmanager
    def enter() -> Iterator[House]:
        with house(folder, **options) as built:
            states = [{"address": built.add_node(f"n{number}").address} for number in range(1, nodes + 1)]
            built.tell(*states, canary=canary)
            built.start()
            yield built

    return enter()
