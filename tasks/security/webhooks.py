"""Callbacks signed by the Standard Webhooks scheme: an id, a time, HMAC-SHA-256 over both and the body.

Source: https://github.com/standard-webhooks/standard-webhooks (its `spec/`). A few lines of the standard
library: the scheme's own package signs with one secret only, and two have to hold while they change.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Final

PREFIX: Final = "whsec_"
BYTES: Final = 32  # the scheme asks for 24 to 64
WHEN: Final = re.compile(r"[0-9]{1,12}")
TOLERANCE: Final = 300.0  # seconds that a message may be old, as the scheme proposes


def new_secret() -> str:
    """A secret as the scheme writes it: `whsec_` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()


def signed(message_id: str, at: int, body: bytes, known: Sequence[str]) -> Mapping[str, str]:
    """The headers of one delivery, with a signature by each secret; without any, unsigned.

    Args:
        message_id: The same for each try of one message.
        at: Unix seconds of this try.
        body: Exactly what is sent.
        known: The secrets that hold now.
    """
    headers = {"webhook-id": message_id, "webhook-timestamp": str(at)}
    text = b".".join((message_id.encode(), str(at).encode(), body))
    signatures = [_signature(secret, text) for secret in known]
    return headers | ({"webhook-signature": " ".join(signatures)} if signatures else {})


def _signature(secret: str, text: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key_in(secret), text, "sha256")).decode()


def key_in(secret: str) -> bytes:
    """The bytes that a secret stands for.

    Raises:
        ValueError: It is not as the scheme writes them.
    """
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    if not 24 <= len(key) <= 64:
        raise ValueError("a secret is whsec_ and 24 to 64 bytes in base64")
    return key


def verified(body: bytes, headers: Mapping[str, str], secret: str, now: float | None = None) -> bool:
    """Whether one of a delivery's signatures is by this secret, and its time not far from now.

    Args:
        body: Exactly what came.
        headers: Their names in lower case.
        secret: The receiver's.
        now: Unix seconds; default: the clock's.
    """
    at = headers.get("webhook-timestamp", "")
    if not WHEN.fullmatch(at) or abs((time.time() if now is None else now) - int(at)) > TOLERANCE:
        return False
    text = b".".join((headers.get("webhook-id", "").encode(), at.encode(), body))
    expected = _signature(secret, text).encode()
    given = headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(expected, one) for one in given)
