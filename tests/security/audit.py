"""`make audit`: known vulnerabilities, dangerous calls, nginx's configuration, file modes after a start.

    python -m tests.security.audit --advisories osv.json      (make audit ADVISORIES=osv.json)

Each part says what it found; the end is 1 where one found anything. Without a network the first one needs the
file of advisories.
"""

from __future__ import annotations

import argparse
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from nginx.node import Backends, CanaryShare, Upstream
from nginx.render import HostFacts, render
from tasks.settings import Settings
from tests.security import advisories
from tests.servers.tutti import running

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
NODES = Backends(
    (Upstream("127.0.0.1:8001"), Upstream("127.0.0.1:8002", backup=True)), CanaryShare(10.0, "v2")
)
CONFIGURATIONS: dict[str, dict[str, str]] = {
    "embedded": {},
    "keys and signed links": {"keys": "on", "sign_output": "1"},
    "behind a balancer": {"trusted_proxies": "10.0.0.0/8", "host": "0.0.0.0"},
    "no limits": {"rate_limit": "off", "connection_limit": "0"},
}


def vulnerabilities(file: Path | None) -> bool:
    """What a running Tutti consists of has no known vulnerability."""
    return advisories.audit(advisories.LOCKS / "run.txt", file) == 0


def calls() -> bool:
    """Ruff's S rules (those of bandit) have nothing to say."""
    rooms = ("tasks", "web", "nginx", "observability", "compose")
    command = [BIN / "ruff", "check", "--select", "S", "--ignore", "S104", *rooms]
    done = subprocess.run(command, cwd=ROOT, check=False)
    return done.returncode == 0


def configurations() -> bool:
    """Gixy finds nothing in nginx's configuration, of whichever settings."""
    good = True
    for name, options in CONFIGURATIONS.items():
        with tempfile.TemporaryDirectory() as folder:
            text = render(Settings(data=Path(folder), **options), NODES, HostFacts(), secret="s" * 16)
            (path := Path(folder, "nginx.conf")).write_text(text)
            done = subprocess.run([BIN / "gixy", path], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name}:\n{done.stdout}")
            good = False
    return good


def modes() -> bool:
    """After a start no file of Tutti's can be read, and none written, by another account."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with running(Path(folder, "var")) as tutti:
            job = tutti.wait(tutti.submit()["id"])
            assert job["state"] == "succeeded", job
            found = list(loose(tutti.data))
    for path, mode in found:
        print(f"{path}: {mode:o}")
    return not found


def loose(data: Path) -> Iterator[tuple[Path, int]]:
    """What below DATA is more open than it has to be, with its mode.

    DATA itself lets nobody in but nginx's group, who may go through and not look around. Behind it songs may
    be read, for their folder may be a NAS, and sockets connected to.
    """
    for path in (data, *sorted(data.rglob("*"))):
        mode = path.lstat().st_mode
        allowed = 0o710 if stat.S_ISDIR(mode) else 0o640
        if "output" in path.relative_to(data).parts[:-1]:
            allowed = 0o755 if stat.S_ISDIR(mode) else 0o644
        unlike = stat.S_ISSOCK(mode) or stat.S_ISLNK(mode) or path.name == "printed.log"
        if not unlike and stat.S_IMODE(mode) & 0o077 & ~allowed:
            yield path, stat.S_IMODE(mode)


def main() -> int:
    """Run every part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--advisories", type=Path, help="OSV records as one JSON list, where there is no network"
    )
    file = parser.parse_args().advisories
    parts: dict[str, Callable[[], bool]] = {
        "known vulnerabilities": lambda: vulnerabilities(file),
        "dangerous calls": calls,
        "nginx's configuration": configurations,
        "file modes after a start": modes,
    }
    good = {name: part() for name, part in parts.items()}
    for name, held in good.items():
        print(f"{'ok ' if held else 'BAD'}  {name}")
    return int(not all(good.values()))


if __name__ == "__main__":
    sys.exit(main())
