"""Uploaded audio: each file is named by the SHA-256 of its bytes, and its time says when it was last used.

Below `.owners/` each owner has a folder with an empty file for each upload that is theirs, so that what they
keep together can be bounded, on every machine that shares the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Final

from tasks.storage.publish_once import publish_once

NAME: Final = re.compile(r"^[0-9a-f]{64}$")
OWNERS: Final = ".owners"  # below it each owner has a folder with an empty file for each upload of theirs
ABANDONED: Final = 3600.0  # seconds after which an unfinished upload has lost its sender


class Uploads:
    """The folder of uploads; safe from many processes and machines. Every method may raise OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, received: Path, digest: str, owner: str | None = None, payer: str | None = None) -> None:
        """Put a received file in its place; where it is there already, that counts as a use of it.

        Args:
            received: The file, of whatever name in the same folder.
            digest: The SHA-256 of its bytes.
            owner: Who sent it and may use it from now on, beside those who sent the same before.
            payer: Whose quota it counts to.
        """
        for name in filter(None, (owner, payer and _quota_of(payer))):
            mark = self._marks(name) / digest
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
        while not self.use(digest):
            publish_once(received, self.folder / digest)

    def bytes_of(self, payer: str, without: str = "") -> int:
        """What all uploads that count to this quota have together, but for one that counts already."""
        total = 0
        with contextlib.suppress(FileNotFoundError):
            for mark in self._marks(_quota_of(payer)).iterdir():
                if mark.name == without:
                    continue
                with contextlib.suppress(FileNotFoundError):
                    total += (self.folder / mark.name).stat().st_size
        return total

    def use(self, digest: str, owners: Collection[str] | None = None) -> bool:
        """Note that an upload is wanted, so that it does not expire now; False where it is not here.

        Args:
            digest: Its id.
            owners: The names of who wants it. One who never sent it is told what is told of no upload at all:
                the hash of a file is known to many, and whether it was uploaded is not theirs to learn.
        """
        if owners is not None and not any((self._marks(one) / digest).exists() for one in owners):
            return False
        try:
            os.utime(self.folder / digest)
        except FileNotFoundError:
            return False
        return True

    def expire(self, older_than: float, needed: Collection[str]) -> int:
        """Delete what is not needed and was last used `older_than` seconds ago or before; their number."""
        if not self.folder.is_dir():
            return 0
        now = self._now()
        number = 0
        for path in self.folder.iterdir():
            if path.suffix == ".tmp" and path.name.startswith("."):
                _delete(path, now - ABANDONED)
            elif NAME.match(path.name) and path.name not in needed:
                number += _delete(path, now - older_than)
        self._forget_owners(now - ABANDONED)
        return number

    def _marks(self, owner: str) -> Path:
        return self.folder / OWNERS / hashlib.blake2b(owner.encode(), digest_size=16).hexdigest()

    def _forget_owners(self, before: float) -> None:
        """Delete the marks of uploads that are gone, and the folders of owners without any."""
        for mark in self.folder.glob(f"{OWNERS}/*/*"):
            if not (self.folder / mark.name).exists():
                _delete(mark, before)
        for folder in self.folder.glob(f"{OWNERS}/*"):
            with contextlib.suppress(OSError):  # it holds marks
                folder.rmdir()

    def used_share(self) -> float:
        """Share of the folder's disk that is taken, 0..1."""
        if not self.folder.is_dir():
            return 0.0
        disk = os.statvfs(self.folder)
        return 1.0 - disk.f_bavail / max(1, disk.f_blocks)

    def _now(self) -> float:
        """What time it is by the clock that stamps these files: a NAS has its own."""
        clock = self.folder / f".clock-{secrets.token_hex(6)}.tmp"
        clock.touch()
        try:
            return clock.stat().st_mtime
        finally:
            clock.unlink()


def _quota_of(payer: str) -> str:
    """A name for marks of its own: who pays for an upload is not by that one who may use it."""
    return f"quota of {payer}"


def _delete(path: Path, before: float) -> bool:
    """Delete a file last used before a time; it is put aside first, so that a use in between is seen."""
    aside = path.with_name(f".{secrets.token_hex(6)}.tmp")
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_mtime > before:
            return False
        path.rename(aside)
        if aside.stat().st_mtime > before:
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink()
        return not path.exists()
    return False
