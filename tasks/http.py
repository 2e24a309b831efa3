"""What nginx and the web app both hold to, so that it stands once.

A body that nginx passes on has to be one that the web app reads to its end: where the app refuses it midway
it closes the connection, and nginx counts that as a failure of the node.
"""

from __future__ import annotations

from typing import Final

from tasks.settings import Settings

JSON_MAX: Final = 64 * 1024  # bytes: of every body but those below
FLOWER_MAX: Final = 1024 * 1024


def upload_max(settings: Settings) -> int:
    """Bytes that an upload of audio may have."""
    return settings.max_body_megabytes * 10**6


def shared_cache_may_keep(settings: Settings) -> bool:
    """Whether a finished file is anyone's; where that takes a key or a signature, it is one person's."""
    return not (settings.keys_required or settings.sign_output)
