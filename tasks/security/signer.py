"""Signing: cookies, tokens of sessions, and the tokens against forged forms.

It is HMAC-SHA256 of the standard library, for a library's own form of a signature would end every session
that browsers hold. Links to songs have a form of their own (`links`), because nginx checks them by itself.
"""

from __future__ import annotations

import base64
import hmac


class Signer:
    """Signs short texts, each for one purpose, and opens them again."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret

    def token(self, purpose: str, text: str) -> str:
        """A signature of `text` that holds for this purpose only."""
        digest = hmac.digest(self.secret, f"{purpose}\0{text}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest[:18]).decode()

    def holds(self, purpose: str, text: str, token: str) -> bool:
        """Whether `token` is the signature of `text`."""
        return hmac.compare_digest(self.token(purpose, text).encode(), token.encode("utf-8", "replace"))

    def sign(self, purpose: str, text: str) -> str:
        """`text` with its signature behind a dot."""
        return f"{text}.{self.token(purpose, text)}"

    def open(self, purpose: str, signed: str) -> str | None:
        """The text of `sign`, or None where it was not signed here."""
        text, _, token = signed.rpartition(".")
        return text if text and self.holds(purpose, text, token) else None
