"""One nginx of our own, apart from the system's: its folders, its check, its start, reload and end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from nginx import account, keycache, passing_on
from nginx.account import Account
from nginx.paths import link, paths
from nginx.render import HostFacts
from observability import statefile
from tasks.settings import Settings

PR_SET_PDEATHSIG = 1
CHECK_SECONDS = 30.0
OLDEST = (1, 19, 5)  # the first that takes -e: an error log that needs no root
MODULES = ("http_auth_request", "http_secure_link", "http_realip", "http_ssl", "http_v2", "http_stub_status")


class GatewayError(Exception):
    """nginx cannot run as asked. The text says what to do."""


def available() -> Path | None:
    """Find the nginx of this machine; None where it is missing, too old or built without what we need."""
    path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
    if path is None:
        return None
    built = _build(Path(path))
    if version(built) < OLDEST or any(f"--with-{module}_module" not in built for module in MODULES):
        return None
    return Path(path)


def _build(program: Path) -> str:
    try:
        answer = subprocess.run([program, "-V"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - the path is nginx's own
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stderr


def version(text: str) -> tuple[int, ...]:
    """Read the version in the answer of `nginx -V`; (0,) where there is none."""
    match = re.search(r"nginx/(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else (0,)


def machine(program: Path, *, user: Account | None = None, cache: Path | None = None) -> HostFacts:
    """Find out what this machine allows, for workers of that account with their answers about keys there."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = 65_536 if files == resource.RLIM_INFINITY else files
    return HostFacts(
        user=user.directive if user else None,
        workers=min(os.cpu_count() or 1, 8),
        connections=max(256, min(16_384, limit // 2)),
        version=version(_build(program)),
        cache=cache,
    )


def _die_with_parent() -> Callable[[], None] | None:
    """Make the child get SIGTERM when we are killed, so that no nginx stays behind (Linux)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Nginx:
    """A master process in the foreground, as our child.

    Args:
        settings: Where its folders lie.
        program: The nginx to run.
    """

    def __init__(self, settings: Settings, program: Path) -> None:
        self.program = program
        self.prefix = settings.run_path / "nginx"
        self.config = self.prefix / "nginx.conf"
        found = paths(settings)
        self.error_log = found.errors
        self._child: subprocess.Popen[bytes] | None = None
        own = () if settings.storage else (settings.storage_path,)  # a NAS has to be there already
        for folder in (self.prefix, settings.log_path, *own):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if settings.log_to == "stdout":
            passing_on.begin(found.lines)
        link(settings)
        try:
            self.user = account.choose(settings)
            wanted = settings.keys_required and keycache.possible()
            self._keys = keycache.KeyCache(self.prefix) if wanted else None
        except account.NoAccount as error:
            raise GatewayError(str(error)) from error
        except keycache.Held:
            raise GatewayError(
                "another gateway runs in this data folder; give this one its own TUTTI_DATA"
            ) from None

    @property
    def cache(self) -> Path | None:
        """The folder of answers about keys."""
        return self._keys.folder if self._keys else None

    def machine(self) -> HostFacts:
        """What the machine allows this nginx."""
        return machine(self.program, user=self.user, cache=self.cache)

    def check(self, text: str) -> None:
        """Write the configuration where it takes effect at the next start or reload, if nginx finds it good.

        Raises:
            GatewayError: nginx refuses it; what ran before stays in force.
        """
        tried = self.prefix / "nginx.conf.next"
        statefile.write(tried, text.encode(), mode=0o600)  # it may hold the secret of signed links
        try:
            answer = self._run("-t", "-q", config=tried)
            if answer.returncode:
                raise GatewayError(f"nginx refuses its configuration:\n{answer.stderr.strip()}")
            tried.replace(self.config)
        finally:
            tried.unlink(missing_ok=True)

    def start(self) -> None:
        """Start the master. It listens a moment later; `running` tells when it ended."""
        self._clear()
        self._child = subprocess.Popen(  # noqa: S603 - our own arguments
            self._arguments(self.config),
            env=self._environment(),
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 - only calls prctl
            stdin=subprocess.DEVNULL,
        )

    @property
    def exit_code(self) -> int | None:
        """How the master ended, or None while it runs."""
        return self._child.poll() if self._child else None

    def reload(self) -> None:
        """Take the new configuration; requests under way end on the old one."""
        self._signal(signal.SIGHUP)

    def reopen_logs(self) -> None:
        """Open the log files anew, after they were renamed."""
        self._signal(signal.SIGUSR1)

    def stop(self, patience: float) -> int:
        """End it: first gently, after `patience` seconds at once.

        Returns:
            The exit code of the master.
        """
        if self._child is None:
            return 0
        for number, seconds in ((signal.SIGQUIT, patience), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            self._signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(seconds)
                break
        if self._keys:
            self._keys.close()
            self._clear()
        return self._child.returncode or 0

    def _clear(self) -> None:
        keycache.clear([self.user.uid] if self.user else [])

    def _signal(self, number: signal.Signals) -> None:
        if self._child and self._child.poll() is None:
            self._child.send_signal(number)

    def _arguments(self, config: Path) -> list[str]:
        return [str(self.program), "-p", f"{self.prefix}/", "-c", str(config), "-e", str(self.error_log)]

    def _environment(self) -> dict[str, str]:
        return {"TZ": "UTC", "PATH": "/usr/bin:/bin"}

    def _run(self, *options: str, config: Path) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603 - our own arguments
                [*self._arguments(config), *options],
                env=self._environment(),
                capture_output=True,
                text=True,
                timeout=CHECK_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise GatewayError(
                f"nginx did not check its configuration within {CHECK_SECONDS:.0f} s"
            ) from error
