"""Which client this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("tutti-client")
except PackageNotFoundError:  # read from a checkout that nobody installed
    VERSION = "0"
AGENT = f"tutti-client/{VERSION}"
