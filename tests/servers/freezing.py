"""A server that hangs: its process is stopped, and goes on later as if nothing had been."""

from __future__ import annotations

import signal
import subprocess


class Freezing:
    """What a server with a `process` inherits, so that a test can freeze it."""

    process: subprocess.Popen[bytes] | None

    def freeze(self) -> None:
        """It takes connections and answers nothing, until `thaw`."""
        if self.process:
            self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGCONT)
