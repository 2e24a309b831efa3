"""Links to songs that are signed and expire, where TUTTI_SIGN_OUTPUT is on.

The form is that of nginx's secure_link, which knows MD5 alone. The key stands at the end of what is hashed,
so that nothing can be appended, and it has 256 bits: forging would take a preimage, and there MD5 holds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping


def key_of(secret: bytes) -> str:
    """The key of links, which the gateway's configuration holds, made of the secret, which it does not."""
    return hmac.new(secret, b"links", hashlib.sha256).hexdigest()


def gateway_token(key: str) -> str:
    """What the gateway shows to web nodes, so that they know it wherever it runs; `key` is that of links."""
    return hmac.new(key.encode(), b"gateway", hashlib.sha256).hexdigest()


def signed(path: str, key: str, expires: int) -> str:
    """The address of a song with its signature."""
    return f"{path}?signature={_signature(path, key, expires)}&expires={expires}"


def holds(path: str, query: Mapping[str, str], key: str) -> bool:
    """Whether the signature in the query is ours; its time may have passed."""
    expires = query.get("expires", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
        return False
    given = query.get("signature", "").encode("utf-8", "replace")
    return hmac.compare_digest(_signature(path, key, int(expires)).encode(), given)


def expired(query: Mapping[str, str]) -> bool:
    """Whether a link whose signature holds is too old."""
    return int(query["expires"]) < time.time()


def _signature(path: str, key: str, expires: int) -> str:
    digest = hashlib.md5(f"{expires}{path} {key}".encode(), usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class SongLinks:
    """Addresses of songs, as the settings want them.

    Args:
        secret: Whence the key is made.
        seconds: How long a link holds; None where links are not signed.
    """

    def __init__(self, secret: bytes, seconds: int | None) -> None:
        self.key, self._seconds = key_of(secret), seconds

    @property
    def are_signed(self) -> bool:
        """Whether a song is given only to a signed link."""
        return self._seconds is not None

    def to(self, name: str) -> str:
        """The address of one song. It stays the same for a while, so that browsers keep what they have."""
        return self.of(f"/output/{name}")

    def of(self, path: str) -> str:
        """The address of a song, in whatever form, at this path."""
        if self._seconds is None:
            return path
        step = max(1, self._seconds // 4)
        expires = (int(time.time()) // step + 1) * step + self._seconds
        return signed(path, self.key, expires)
