"""Hosts that share a machine and nothing else: network, name, mounts and processes are their own.

Each host's namespaces belong to one process, its `init`. When that ends, however it ends, the kernel takes
the host's processes, mounts and interfaces with it; and it ends with the process that made the network. So
nothing is left behind even by SIGKILL. The bridge, too, lies in namespaces of its own, and this process has
a port of it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests import needs
from tests.servers.parent import bound
from tests.servers.workers import Part, eventually

INIT = "trap : TERM INT; echo up; while :; do sleep 3600 & wait $!; done"  # bash reaps what is orphaned
NOBODY = "02:00:00:00:00:01"  # a hardware address that no host has: what is sent there arrives nowhere


class _Namespaces:
    """Some namespaces and the process that keeps them."""

    def __init__(self, *kinds: str) -> None:
        needs.program("unshare", package="util-linux")
        words = ["unshare", *(f"--{kind}" for kind in kinds), "--fork", "--kill-child=KILL", "--mount-proc"]
        self._process = subprocess.Popen(
            bound([*words, "bash", "-c", INIT]), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self._process.stdout
        assert self._process.stderr
        if self._process.stdout.readline() != b"up\n":
            why = self._process.stderr.read().decode().strip()
            needs.missing("the right to make namespaces", f"run as root on Linux: {why}")
        self.pid = _only_child(self._process.pid)  # of the init, as this process sees it
        self._enter = ["nsenter", "--target", str(self.pid), *(f"--{kind}" for kind in kinds)]

    def command(self, *words: object) -> list[str]:
        """A command as it runs in here."""
        return bound([*self._enter, "--", *bound(words)])

    def run(self, *words: object, text: str | None = None) -> str:
        """Run a command in here to its end; what it printed comes back."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False, input=text)
        assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}"
        return done.stdout

    def end(self) -> None:
        """End all that is in here at once, without a word to anybody."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._process.wait(20)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()


class HostPart(Part):
    """A process on a host. `process` is the one that went there; the part itself is its child."""

    @property
    def pid(self) -> int:
        """The part's process id, as this process sees it."""
        return _only_child(self.process.pid)

    @property
    def engines(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess, AssertionError):
            return psutil.Process(self.pid).children()
        return []

    def send(self, number: int) -> None:
        if self.process.poll() is None:
            os.kill(self.pid, number)
            if number == signal.SIGCONT:  # nsenter stops itself with its child, and would never see it end
                self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL."""
        with contextlib.suppress(ProcessLookupError, AssertionError):
            self.send(signal.SIGKILL)
        self.process.wait(20)


def _only_child(pid: int) -> int:
    """The process that another one has started to do its work."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            if children := psutil.Process(pid).children():
                return children[0].pid
        time.sleep(0.005)
    raise AssertionError(f"process {pid} has no child")


@dataclass
class Host:
    """One host: `folder` is its disk, seen there as /srv; `nas` is seen there as /mnt/nas."""

    name: str
    address: str
    folder: Path
    nas: Path
    network: Network = field(repr=False)
    inside: _Namespaces = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.power_on()

    def power_on(self) -> None:
        """Begin its life: a name, a network card, a disk, a mounted NAS."""
        self.inside = _Namespaces("net", "mount", "uts", "ipc", "pid")
        self.folder.mkdir(exist_ok=True)
        self.run("bash", "-ec", _SETUP, text=None, environment=self._facts())
        self.network.plug(self)

    def power_off(self) -> None:
        """End it as a power failure does: nobody is told, and its connections stay open at the other end."""
        self.cut()
        self.inside.end()
        self.network.unplug(self)

    def _facts(self) -> dict[str, str]:
        return {"NAME": self.name, "DISK": str(self.folder), "NAS": str(self.nas)}

    # --- what runs there

    def command(self, *words: object) -> list[str]:
        """A command as it runs on this host."""
        return self.inside.command(*words)

    def run(
        self, *words: object, text: str | None = None, environment: Mapping[str, str] | None = None
    ) -> str:
        """Run a command there to its end; what it printed comes back."""
        given = [f"{name}={value}" for name, value in (environment or {}).items()]
        return self.inside.run("env", *given, *words, text=text)

    def start(self, words: Sequence[object], environment: Mapping[str, str] | None = None) -> HostPart:
        """Start a command there; what it prints goes to `output`."""
        with (self.folder / "output").open("ab") as out:
            command = self.command(*words)
            started = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd="/")
        return HostPart(started)

    @property
    def output(self) -> str:
        """What its processes have printed."""
        return (self.folder / "output").read_text(errors="replace")

    def write(self, path: str, text: str) -> None:
        """Write a file there."""
        self.run("bash", "-ec", f'mkdir -p "$(dirname {path})"; cat > {path}', text=text)

    # --- its network

    def cut(self) -> None:
        """Isolate its port of the bridge: no packet passes, and nobody is told."""
        self.network.port(self, "disabled")

    def heal(self) -> None:
        """Let packets pass again."""
        self.network.port(self, "forwarding")

    @contextlib.contextmanager
    def isolated(self) -> Iterator[None]:
        """Cut it off for as long as the block takes."""
        self.cut()
        try:
            yield
        finally:
            self.heal()

    @contextlib.contextmanager
    def cut_from(self, *others: Host) -> Iterator[None]:
        """Let no packet pass between this host and the others, while each reaches all else."""
        pairs = [pair for other in others for pair in ((self, other), (other, self))]
        for one, other in pairs:
            neighbour = ("to", other.address, "lladdr", NOBODY, "nud", "permanent", "dev", "eth0")
            one.run("ip", "neigh", "replace", *neighbour)
        try:
            yield
        finally:
            for one, other in pairs:
                one.run("ip", "neigh", "del", "to", other.address, "dev", "eth0")

    @contextlib.contextmanager
    def without_nas(self) -> Iterator[None]:
        """Unmount its NAS; the bare folder stays."""
        self.run("umount", "--lazy", "/mnt/nas")
        try:
            yield
        finally:
            self.run("mount", "--bind", self.nas, "/mnt/nas")


_SETUP = """
hostname "$NAME"
mount --make-rprivate /
mount --bind "$DISK" /srv
mount -t tmpfs none /run && mkdir -p /run/etc/{upper,work}
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work /etc
mount -t tmpfs none /mnt && mkdir /mnt/nas && mount --bind "$NAS" /mnt/nas
ip link set lo up
"""


class Network:
    """A bridge, the hosts on it, and a port for this process.

    Args:
        folder: Where the hosts' disks and the NAS lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nas = folder / "nas"
        self.nas.mkdir()
        self.hosts: dict[str, Host] = {}
        self._port = f"tc{secrets.token_hex(4)}"  # of this process; others may have theirs
        self._range = _free_range()
        self._addresses = self._range.hosts()
        self.switch = _Namespaces("net", "mount", "pid")
        self.switch.run("ip", "link", "add", "bridge", "type", "bridge")
        self.switch.run("ip", "link", "set", "bridge", "up")
        self.address = str(next(self._addresses))
        self._join("here", self._port, os.getpid())
        for words in (("addr", "add", f"{self.address}/24", "dev"), ("link", "set", "up", "dev")):
            subprocess.run(["ip", *words, self._port], check=True)

    def add(self, *names: str) -> None:
        """Add hosts; each knows all the others by name."""
        for name in names:
            host = Host(name, str(next(self._addresses)), self.folder / name, self.nas, self)
            self.hosts[name] = host
        self.tell_names()

    def tell_names(self, **aliases: str) -> None:
        """Write everybody's names, and further ones, into each host's /etc/hosts."""
        known = {host.address: name for name, host in self.hosts.items()} | {self.address: "here"}
        lines = [f"{address} {name}" for address, name in known.items()]
        lines += [f"{self.hosts[name].address} {alias}" for alias, name in aliases.items()]
        for host in self.hosts.values():
            host.write("/etc/hosts", "\n".join(["127.0.0.1 localhost", *lines, ""]))

    def plug(self, host: Host) -> None:
        """Give a host a network card and its port of the bridge."""
        self._join(host.name, "eth0", host.inside.pid)
        host.run("ip", "addr", "add", f"{host.address}/24", "dev", "eth0")
        host.run("ip", "link", "set", "eth0", "up")

    def unplug(self, host: Host) -> None:
        """Take a host's port away, if its end of the cable has not gone yet."""
        with contextlib.suppress(AssertionError):
            self.switch.run("ip", "link", "del", host.name)

    def port(self, host: Host, state: str) -> None:
        """Set a port's state: "disabled" or "forwarding"."""
        number = {"disabled": 0, "forwarding": 3}[state]
        self.switch.run("bridge", "link", "set", "dev", host.name, "state", number)

    def _join(self, port: str, card: str, process: int) -> None:
        """Lay a cable from a port of the bridge to a card in another process's network."""
        ends = (port, "netns", self.switch.pid, "type", "veth", "peer", card, "netns", process)
        subprocess.run(["ip", "link", "add", *map(str, ends)], check=True)
        self.switch.run("ip", "link", "set", port, "master", "bridge", "up")

    def close(self) -> None:
        """End every host and the bridge."""
        for host in self.hosts.values():
            host.inside.end()
        self.switch.end()


@contextlib.contextmanager
def network(folder: Path) -> Iterator[Network]:
    """A network that is gone at the end of the block."""
    made = Network(folder)
    try:
        yield made
    finally:
        made.close()


def _free_range() -> ipaddress.IPv4Network:
    """A network of which this machine has not heard."""
    routes = subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=True).stdout
    for _ in range(100):
        chosen = ipaddress.IPv4Network((f"10.{secrets.randbelow(100) + 100}.{secrets.randbelow(250)}.0", 24))
        if str(chosen.network_address).rpartition(".")[0] not in routes:
            return chosen
    raise AssertionError("no network is free")


__all__ = ["Host", "HostPart", "Network", "eventually", "network"]
