"""Whom we believe over TLS, and what to say where a certificate cannot be verified."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

import certifi

ADVICE = (
    "its certificate cannot be verified here. Is it signed by an authority of your own? Then set "
    "TUTTI_CA_BUNDLE to a PEM file with that authority's certificate"
)


class NoBundle(OSError):
    """TUTTI_CA_BUNDLE cannot be read, or holds no certificate."""


@lru_cache(4)
def context(bundle: Path | None = None) -> ssl.SSLContext:
    """The machine's authorities, those that come with Python's packages, and those of a PEM file.

    Raises:
        NoBundle: The file is no such file.
    """
    made = ssl.create_default_context()
    made.load_verify_locations(certifi.where())
    if bundle is not None:
        try:
            made.load_verify_locations(bundle)
        except (OSError, ssl.SSLError) as error:
            raise NoBundle(
                f"TUTTI_CA_BUNDLE: {bundle} cannot be used ({error}); it has to be a PEM file"
            ) from error
    return made


def advice(problem: BaseException | str) -> str | None:
    """What to do, where a problem, or what it came from, is a certificate that cannot be verified."""
    told: BaseException | None = problem if isinstance(problem, BaseException) else None
    text = problem if isinstance(problem, str) else ""
    while told is not None:
        text += f" {told!r} {told}"
        told = told.__cause__ or told.__context__
    return ADVICE if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text else None
