"""`tutti --install-completion` in the shells themselves: what they offer when somebody presses Tab."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import needs

STATES = ["queued", "running", "succeeded", "failed", "cancelled"]
TUTTI = Path(sys.executable).with_name("tutti")


def bash(home: Path) -> str:
    """What bash offers: the function is called as `complete -F` would call it."""
    script = (
        "source ~/.bashrc\n"
        "COMP_WORDS=(tutti list --state ''); COMP_CWORD=3\n"
        "_tutti_completion tutti\n"
        'echo "${COMPREPLY[@]}"'
    )
    return spoken(home, "bash", script)


def fish(home: Path) -> str:
    return spoken(home, "fish", "complete --do-complete 'tutti list --state '")


def zsh(home: Path) -> str:
    """What zsh shows, which completes only where somebody types. Its first Tab loads typer's function."""
    return typed(
        home, "zsh", "tutti list --state \t\t", lambda shown: all(state in shown for state in STATES)
    )


@pytest.mark.parametrize("shell", [bash, zsh, fish])
def test_completion(shell: Callable[[Path], str], tmp_path: Path) -> None:
    name = shell.__name__
    needs.program(name)
    said = spoken(tmp_path, name, "tutti --install-completion; tutti --show-completion")
    assert f"{name} completion installed" in said
    assert "compose" not in said  # it completes `tutti`, however that was started
    offered = shell(tmp_path)
    assert [state for state in STATES if state not in offered] == []


def surroundings(home: Path) -> dict[str, str]:
    path = f"{TUTTI.parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {
        "HOME": str(home),
        "PATH": path,
        "TERM": "xterm",
        "XDG_CONFIG_HOME": f"{home}/.config",
    }


def spoken(home: Path, shell: str, script: str) -> str:
    """The output of a script. Typer asks which shell its parent is: no command may take the shell's place."""
    command = [needs.program(shell), "-c", f"{script}\ntrue"]
    done = subprocess.run(
        command, env=surroundings(home), cwd=home, capture_output=True, text=True, check=True
    )
    return done.stdout


def typed(home: Path, shell: str, keys: str, enough: Callable[[str], bool], limit: float = 120) -> str:
    """What a terminal shows after somebody typed `keys` in a shell that waits for them."""
    program = needs.program(shell)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(home)
        os.execve(program, [program, "-i"], surroundings(home) | {"PS1": "waits> "})  # noqa: S606 - the shell itself
    shown, sent, until = "", False, time.monotonic() + limit
    try:
        while not enough(shown) and time.monotonic() < until:
            if select.select([terminal], [], [], 1)[0]:
                shown += os.read(terminal, 65536).decode(errors="replace")
            if not sent and "waits> " in shown:
                os.write(terminal, keys.encode())
                shown, sent = "", True
    finally:
        os.close(terminal)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return shown
