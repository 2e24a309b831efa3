"""Hosts as namespaces: what is cut is silent, what is healed speaks again, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.cluster.network import Host, Network, network
from tests.servers.parent import bound
from tests.servers.workers import ROOT, eventually

SERVE = (sys.executable, "-m", "http.server", "8000")


@pytest.fixture
def two(tmp_path: Path):
    with network(tmp_path) as made:
        made.add("one", "two", "three")
        for name in ("two", "three"):
            made.hosts[name].start(SERVE)
        eventually(lambda: reaches(made.hosts["one"], "two") and reaches(made.hosts["one"], "three"))
        yield made


def reaches(host: Host, name: str) -> bool:
    """Whether a connection can be opened; what is cut does not say so, it says nothing."""
    knock = f"timeout 2 bash -c 'echo > /dev/tcp/{name}/8000' 2>/dev/null || echo $?"
    answer = host.run("bash", "-c", knock).strip()
    assert answer in {"", "1", "124"}
    return answer == ""


def test_an_isolated_host_reaches_nobody_until_it_is_healed(two: Network):
    one = two.hosts["one"]
    with one.isolated():
        assert not reaches(one, "two")
        socket.create_connection((two.hosts["two"].address, 8000), 5).close()  # the others go on
    assert reaches(one, "two")


def test_two_hosts_can_be_cut_from_each_other_alone(two: Network):
    one = two.hosts["one"]
    with one.cut_from(two.hosts["two"]):
        assert not reaches(one, "two")
        assert reaches(one, "three")
    assert reaches(one, "two")


def test_a_connection_of_before_a_power_failure_is_told_nothing(two: Network):
    host = two.hosts["two"]
    open_one = socket.create_connection((host.address, 8000), 5)
    open_one.settimeout(1)
    host.power_off()
    with pytest.raises(TimeoutError):
        open_one.recv(1)
    host.power_on()
    two.tell_names()
    assert host.run("hostname").strip() == "two"
    assert reaches(host, "three")


def test_a_host_has_files_of_its_own(two: Network):
    two.hosts["one"].write("/etc/tutti/tutti.toml", "port = 1\n")
    assert not Path("/etc/tutti/tutti.toml").exists()
    with pytest.raises(AssertionError, match="No such file"):
        two.hosts["two"].run("cat", "/etc/tutti/tutti.toml")
    two.hosts["one"].run("touch", "/mnt/nas/shared")
    assert two.hosts["two"].run("ls", "/mnt/nas").strip() == "shared"


MAKE = """
import sys, time
from pathlib import Path
from tests.cluster.network import network
with network(Path(sys.argv[1])) as made:
    made.add("one")
    made.hosts["one"].start(["sleep", "4321"])
    print("up", made.switch.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_network_whose_process_is_gone(tmp_path: Path, number: signal.Signals):
    command = bound([sys.executable, "-c", MAKE, tmp_path])
    maker = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert maker.stdout
    assert maker.stdout.readline().startswith(b"up")
    before = {one.pid for one in psutil.Process(maker.pid).children(recursive=True)}
    cards = {name for name in psutil.net_if_addrs() if name.startswith("tc")}
    assert len(before) >= 4
    maker.send_signal(number)
    maker.wait(30)
    maker.stdout.close()
    eventually(lambda: not any(map(psutil.pid_exists, before)), 30)
    eventually(lambda: cards - set(psutil.net_if_addrs()), 30)


def test_what_make_cluster_prints_is_how_it_ends():
    """Ctrl-C before it stands takes down what stands already."""
    command = bound([sys.executable, "-m", "tests.cluster", "--minutes", "5"])
    made = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert made.stdout
    assert "start" in made.stdout.readline()
    time.sleep(0.5)
    before = {one.pid for one in psutil.Process(made.pid).children(recursive=True)}
    os.kill(made.pid, signal.SIGINT)
    assert "nothing of it is left" in made.communicate(timeout=60)[0]
    assert made.returncode == 0
    assert not any(map(psutil.pid_exists, before))
