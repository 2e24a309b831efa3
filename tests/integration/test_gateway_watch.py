"""Whether a gateway follows its nodes by itself, or looks again only when it is told to."""

from __future__ import annotations

import queue
import signal
from pathlib import Path

import pytest

from nginx.gateway import Gateway, available
from nginx.node import Backends, Upstream
from nginx.process import Nginx
from tasks.settings import Settings
from tests import needs
from tests.servers.gateway import free_port

TICKS = 20


class Script(queue.SimpleQueue[signal.Signals]):
    """Ticks without a signal, then SIGHUP, as many ticks again, then SIGTERM."""

    def get(self, block: bool = True, timeout: float | None = None) -> signal.Signals:
        if self.empty():
            raise queue.Empty
        if (received := super().get()) == signal.SIGUSR2:
            raise queue.Empty
        return received


def script() -> Script:
    made = Script()
    for received in [signal.SIGUSR2] * TICKS + [signal.SIGHUP] + [signal.SIGUSR2] * TICKS + [signal.SIGTERM]:
        made.put(received)
    return made


@pytest.mark.parametrize(("follow", "looks"), [(False, 2), (True, 2 + 2 * TICKS + 1)])
def test_without_watching_it_looks_once_and_at_sighup(tmp_path: Path, *, follow: bool, looks: int) -> None:
    program = available()
    if program is None:
        needs.missing("nginx", "apt-get install nginx")
    looked: list[Backends] = []

    def backends() -> Backends:
        looked.append(Backends((Upstream(f"127.0.0.1:{len(looked) + 1}"),)))
        return looked[-1]

    settings = Settings(data=tmp_path, port=free_port(), drain_seconds=1)
    nginx = Nginx(settings, program)
    gateway = Gateway(settings, nginx, backends, None, "token")
    assert gateway.serve(script(), follow=follow, tick=0, settle=1e9, rest=1e9) == 0
    assert len(looked) == looks
    at_sighup = 2 if not follow else TICKS + 2
    assert f'"127.0.0.1:{at_sighup}"' in nginx.config.read_text()
