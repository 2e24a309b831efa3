"""`tutti gateway`: nginx in front of the web nodes, kept in step with those that live."""

from __future__ import annotations

import queue
import signal
import time
from collections.abc import Callable

from nginx.certificate import Reminder
from nginx.node import Backends, Upstream, parse_nodes
from nginx.process import GatewayError, Nginx, available
from nginx.render import render
from observability.logging import configure, get_logger, warn_of_loss
from observability.rotation import RotationLimits, rotate
from tasks.security.folders import claim
from tasks.settings import Settings

__all__ = ["GatewayError", "ReloadPolicy", "available", "run"]

TICK = 1.0
SETTLE = 0.5
REST = 2.0

log = get_logger()
LOGS = ("nginx.jsonl", "nginx-error.log")


def own_node(settings: Settings) -> Backends:
    """Return the nodes that the settings name, else this machine's."""
    nodes = parse_nodes(settings.web_nodes)
    return Backends(nodes or (Upstream(f"unix:{settings.run_path / 'web.sock'}"),))


class ReloadPolicy:
    """Decides when a change of the backends is worth a reload: once it has settled, and not too often.

    Args:
        now: The backends that are being served.
        settle: Seconds a change has to last.
        rest: Seconds between two reloads.
    """

    def __init__(self, now: Backends, *, settle: float = SETTLE, rest: float = REST) -> None:
        self.serving = now
        self._settle, self._rest = settle, rest
        self._seen, self._seen_at, self._changed_at = now, 0.0, float("-inf")

    def due(self, seen: Backends, at: float) -> bool:
        """Whether to serve `seen`, observed at the monotonic time `at`, from now on."""
        if seen != self._seen:
            self._seen, self._seen_at = seen, at
        settled = at - self._seen_at >= self._settle
        if seen == self.serving or not settled or at - self._changed_at < self._rest:
            return False
        self.serving, self._changed_at = seen, at
        return True


class Gateway:
    """A running nginx and what it serves."""

    def __init__(
        self,
        settings: Settings,
        nginx: Nginx,
        backends: Callable[[], Backends],
        secret: str | None,
        token: str,
    ) -> None:
        self._settings, self._nginx, self._backends = settings, nginx, backends
        self._secret, self._token = secret, token
        self._machine = nginx.machine()

    def write(self, backends: Backends) -> None:
        """Render, check and put in place.

        Raises:
            GatewayError: nginx refuses the configuration.
        """
        self._nginx.check(
            render(self._settings, backends, self._machine, secret=self._secret, token=self._token)
        )

    def ask(self, last: Backends) -> Backends:
        """Ask for the backends now; keep the last ones known while nobody can tell."""
        try:
            return self._backends()
        except Exception:  # the ledger may be away; the gateway goes on with what it knows
            log.warning(
                "gateway.blind", message="the web nodes cannot be read; the last known stay", exc_info=True
            )
            return last

    def serve(
        self,
        signals: queue.SimpleQueue[signal.Signals],
        *,
        follow: bool,
        tick: float,
        settle: float,
        rest: float,
    ) -> int:
        """Run until told to end, or until nginx ends by itself."""
        first = self.ask(own_node(self._settings))
        self.write(first)
        self._nginx.start()
        policy, reminder = ReloadPolicy(first, settle=settle, rest=rest), Reminder(self._settings)
        while self._nginx.exit_code is None:
            match _next(signals, tick):
                case signal.SIGTERM | signal.SIGINT | signal.SIGQUIT:
                    return self._nginx.stop(self._settings.drain_seconds)
                case signal.SIGUSR1:
                    self._nginx.reopen_logs()
                case signal.SIGHUP:
                    policy.serving = self.ask(policy.serving)
                    self._renew(policy.serving)
            self._rotate()
            reminder.due(time.monotonic())
            if follow and policy.due(self.ask(policy.serving), time.monotonic()):
                self._renew(policy.serving)
        return self._nginx.exit_code

    def _renew(self, backends: Backends) -> None:
        try:
            self.write(backends)
        except GatewayError:
            log.exception("gateway.refused", message="the old configuration stays in force")
            return
        self._nginx.reload()
        log.info("gateway.reloaded", message=_described(backends), event={"outcome": "success"})

    def _rotate(self) -> None:
        """Rename log files that have grown; nginx writes on into new ones."""
        if self._settings.log_to != "files":
            return
        renamed = [
            rotate(self._settings.log_path / name, RotationLimits(), on_loss=warn_of_loss) for name in LOGS
        ]
        if any(renamed):
            self._nginx.reopen_logs()


def _described(backends: Backends) -> str:
    names = ", ".join(f"{node.address}{'' if node.healthy else ' (unwell)'}" for node in backends.nodes)
    share = f"; canary {backends.canary.percent:g} %" if backends.canary else ""
    return f"web nodes: {names or 'none'}{share}"


def _next(signals: queue.SimpleQueue[signal.Signals], seconds: float) -> signal.Signals | None:
    try:
        return signals.get(timeout=seconds)
    except queue.Empty:
        return None


def _receive() -> queue.SimpleQueue[signal.Signals]:
    """Collect the signals that the gateway answers to; SimpleQueue.put is safe inside a handler."""
    signals: queue.SimpleQueue[signal.Signals] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: signals.put(signal.Signals(received)))
    return signals


def begin(settings: Settings) -> None:
    """Claim the folders, and log where nginx does."""
    claim(settings)
    configure(
        "tutti-gateway", settings.log_file("nginx.jsonl"), settings.log_level, settings.node, bounds=None
    )


def run(
    settings: Settings,
    *,
    backends: Callable[[], Backends] | None = None,
    secret: str | None = None,
    token: str = "",
    follow: bool = True,
    tick: float = TICK,
    settle: float = SETTLE,
    rest: float = REST,
) -> int:
    """Run nginx in the foreground until SIGTERM, once `begin` has been called.

    SIGUSR1 reopens its logs, SIGHUP looks, renders and reloads.

    Args:
        settings: All settings.
        backends: Tells the web nodes and the canary of the moment. None: what the settings name, which does
            not change.
        secret: The key that signs links to songs.
        token: What shows web nodes that a request comes by this gateway.
        follow: Whether to look at the backends again and again; else once, and at each SIGHUP.
        tick: Seconds between two looks at the backends.
        settle: Seconds that a change has to last before it is served by a reload.
        rest: Seconds at least between two reloads.

    Returns:
        The exit code: 0 after a clean stop.

    Raises:
        GatewayError: There is no usable nginx, or it refuses the configuration.
    """
    program = available()
    if program is None:
        raise GatewayError(
            "nginx 1.19.5 or newer is not installed; install it (apt-get install nginx) or run `tutti web`"
        )
    signals = _receive()
    gateway = Gateway(
        settings, Nginx(settings, program), backends or (lambda: own_node(settings)), secret, token
    )
    return gateway.serve(signals, follow=follow, tick=tick, settle=settle, rest=rest)
