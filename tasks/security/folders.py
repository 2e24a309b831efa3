"""This machine's folders: our own, private, and looked at before anything in them is trusted.

Whoever may write to the run folder can put a socket of theirs where the gateway looks for the web app;
whoever may read DATA reads every prompt. A folder that somebody else has made first is refused by name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import sys
from pathlib import Path
from typing import Final

from tasks.settings import Settings
from tasks.settings.places import is_plain

PRIVATE: Final = 0o700
OTHERS: Final = 0o007  # what all accounts of the machine may do; a group is let in by who runs it
FOREIGN: Final = 0o067  # what nobody but us may do to a run folder; to enter it is the gateway's account's


class FolderRefused(Exception):
    """A folder is not ours alone; the message says what to do."""


def claim(settings: Settings) -> None:
    """Make DATA and its run folder, private, and see that they are ours. Each part does this first.

    What this process makes from now on is private too, unless it says otherwise.

    Raises:
        FolderRefused: One of them belongs to somebody else.
    """
    os.umask(0o077)
    _own_data(settings.data.absolute())
    if not is_plain(settings.run_path):
        raise FolderRefused(
            f"sockets cannot be made in {settings.run_path}: its name is too long or has letters that other "
            "programs give a meaning; set TUTTI_RUN to a short one, such as /run/tutti"
        )
    own(settings.run_path)
    _in_use(settings.run_path)


def own(path: Path) -> None:
    """Make a folder of mode 0700, or see that the one that is there is ours and closed to others.

    Raises:
        FolderRefused: It is a link, or somebody else's.
    """
    path.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise FolderRefused(f"{path} is not a folder of its own; remove it ({error.strerror})") from error
    try:
        found = os.fstat(folder)
        if found.st_uid != os.geteuid():
            raise FolderRefused(
                f"{path} belongs to another account, which could listen in; remove it, or choose a "
                "TUTTI_DATA with a shorter name"
            )
        if found.st_mode & FOREIGN:
            os.fchmod(folder, PRIVATE)
    finally:
        os.close(folder)


_held: dict[Path, int] = {}


def _in_use(path: Path) -> None:
    """Show for this process's life that the folder is in use.

    Systems clear old files out of /tmp, but not out of a folder that is locked (systemd-tmpfiles,
    https://systemd.io/TEMPORARY_DIRECTORIES).
    """
    if path not in _held:
        _held[path] = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        with contextlib.suppress(OSError):  # some network disks have no locks, and nobody clears them
            fcntl.flock(_held[path], fcntl.LOCK_SH | fcntl.LOCK_NB)


def _own_data(path: Path) -> None:
    """DATA may be a link or a mount, and root's; what others may do there is taken away."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
    except OSError as error:
        raise FolderRefused(f"TUTTI_DATA ({path}) cannot be made: {error.strerror}") from error
    found = path.stat()
    if found.st_uid not in {0, os.geteuid()}:
        raise FolderRefused(
            f"TUTTI_DATA ({path}) belongs to another account; run as that one, or give the folder to this one"
        )
    if not os.access(path, os.W_OK | os.X_OK):
        raise FolderRefused(
            f"TUTTI_DATA ({path}) cannot be written by user {os.geteuid()}, group {os.getegid()}; give it to "
            f"that user or group (chown, chmod g+rwx; in Kubernetes fsGroup)"
        )
    if not found.st_mode & OTHERS:
        return
    try:
        path.chmod(PRIVATE)
    except PermissionError:
        sys.stderr.write(f"{path} is root's and open to every account here: chmod o-rwx {path}\n")


def let_in(path: Path, group: int) -> None:
    """Let the members of a group go through a folder of ours, to what in it is open to them; not list it."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077 != 0o010 or path.stat().st_gid != group:
        os.chown(path, -1, group)
        path.chmod(0o710)
