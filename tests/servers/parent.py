"""No server outlives the test that started it, even if that is killed."""

from __future__ import annotations

import ctypes
import signal

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """For `preexec_fn`: the kernel ends this process with the thread that started it. Linux only."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
