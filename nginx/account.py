"""Whose account nginx's workers have: where root starts the gateway, one that may do little else."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from observability.logging import get_logger
from tasks.security.folders import let_in
from tasks.settings import Settings

USUAL = ("www-data", "nginx", "http", "nobody")
EXECUTE = stat.S_IXOTH

log = get_logger()


@dataclass(frozen=True)
class Account:
    """An account of this machine, with its own group first among its groups."""

    name: str
    uid: int
    group: str
    groups: tuple[int, ...]

    @property
    def directive(self) -> str:
        """The words behind nginx's `user`."""
        return f"{self.name} {self.group}"


ROOT = Account("root", 0, "root", (0,))


class NoAccount(Exception):
    """The account that is asked for cannot serve; the message says why."""


def choose(settings: Settings) -> Account | None:
    """Find the workers' account and let it in to what it serves; None where root does not start the gateway.

    Where the usual ones cannot reach DATA, because a folder above it is closed (as /root is), the workers
    stay root, and a line says so.

    Raises:
        NoAccount: TUTTI_GATEWAY_USER is not an account, or cannot reach what it is to serve.
    """
    if os.geteuid() != 0:
        return None
    if settings.gateway_user:
        found = named(settings.gateway_user)
        if found is None:
            raise NoAccount(f"TUTTI_GATEWAY_USER: there is no account {settings.gateway_user!r} here")
        _let_in(settings, found)
        if where := blocked(settings, found):
            raise NoAccount(f"TUTTI_GATEWAY_USER: {found.name} cannot enter {where}; let it (chmod o+x)")
        return found
    found = next(filter(None, map(named, USUAL)), None)
    where = blocked(settings, found) if found else Path("/")
    if found is None or where:
        name = found.name if found else " nor ".join(USUAL)
        log.warning(
            "gateway.root",
            message=f"nginx's workers run as root, because {name} cannot enter {where}: let it "
            "(chmod o+x), move TUTTI_DATA, or name an account that can: TUTTI_GATEWAY_USER",
        )
        return ROOT
    _let_in(settings, found)
    return found


def named(name: str) -> Account | None:
    """The account of that name."""
    try:
        known = pwd.getpwnam(name)
        groups = os.getgrouplist(name, known.pw_gid)
        return Account(name, known.pw_uid, grp.getgrgid(known.pw_gid).gr_name, (known.pw_gid, *groups))
    except KeyError:
        return None


def blocked(settings: Settings, account: Account) -> Path | None:
    """The first folder on the way to what nginx serves that the account cannot enter.

    Folders of our own below DATA do not count: it is let in to them.
    """
    if account.uid == 0:
        return None
    outer = {settings.data.absolute().parent, _outside(settings.run_path, settings)}
    outer.add(settings.storage_path if settings.storage else settings.data.absolute().parent)
    for path in sorted(outer):
        for folder in (*reversed(path.resolve().parents), path.resolve()):
            if folder.exists() and not _may_enter(folder, account):
                return folder
    return None


def _outside(path: Path, settings: Settings) -> Path:
    return settings.data.absolute().parent if path.is_relative_to(settings.data.absolute()) else path.parent


def _may_enter(folder: Path, account: Account) -> bool:
    found = folder.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid in account.groups:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & EXECUTE)


def _let_in(settings: Settings, account: Account) -> None:
    """Let the account's group go through our own folders: to the sockets, the log and the songs."""
    if account.uid == 0:
        return
    own = [settings.data.absolute(), settings.run_path, settings.run_path / "nginx", settings.log_path]
    if settings.storage is None:
        own.append(settings.storage_path)
    for folder in own:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        let_in(folder, account.groups[0])
