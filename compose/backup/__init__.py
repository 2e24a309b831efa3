"""One archive of everything kept: ledger, secret, songs, uploads and adapters, each file by its hash."""

from compose.backup.archive import Archive, ArchiveError
from compose.backup.restore import restore
from compose.backup.save import save

__all__ = ["Archive", "ArchiveError", "restore", "save"]
