"""No server outlives the test that started it, even if that is killed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

SETPRIV = shutil.which("setpriv")


def bound(command: Sequence[object]) -> list[str]:
    """The command as the kernel ends it with the thread that starts it, where util-linux is there."""
    words = [str(word) for word in command]
    return [SETPRIV, "--pdeathsig", "KILL", *words] if SETPRIV else words
