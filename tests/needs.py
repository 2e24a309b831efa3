"""What a test needs of its machine: skipped with the reason where it is missing, an error in CI."""

from __future__ import annotations

import os
import shutil

import pytest

CI = os.environ.get("CI", "").lower() in {"1", "true"}


SERVERS = os.environ.get("TEST_SERVERS") != "off"  # `make unit` turns them off


def server() -> None:
    """A server is about to start: a test without the mark `server` may not ask for one."""
    if not SERVERS:
        pytest.fail("this test starts a server: mark it `server`, or leave the server out", pytrace=False)


def missing(what: str, how: str) -> None:
    """End this test because `what` is not here; `how` says how to get it."""
    reason = f"needs {what}: {how}"
    if CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def program(name: str, *, package: str | None = None) -> str:
    """The path of a program of this machine, from the Debian package of that name."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        missing(name, f"apt-get install {package or name}")
    return path
