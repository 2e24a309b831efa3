"""What an engine holds in memory, and which files and hosts it touches."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

READS: Final = (".py", ".pyc", ".so", ".pyi", ".typed")  # a module that is imported late
SYSTEM: Final = ("/proc/", "/sys/", "/dev/", "/usr/share/zoneinfo/", "/etc/localtime")
NETWORK: Final = frozenset(
    {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind", "socket.getaddrinfo"}
)
WRITES: Final = frozenset(
    {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
)
STARTS: Final = frozenset({"subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "os.system"})


def held() -> int:
    """Bytes of arrays and tensors that are alive now: numpy's, and torch's on the CPU and on the device.

    Needs `tracemalloc` on; numpy tells it of its data in a domain of its own, so imports do not count.
    """
    gc.collect()
    domain = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
    arrays = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([domain]).traces)
    return int(arrays) + _tensors()


def _tensors() -> int:
    torch = sys.modules.get("torch")
    if torch is None:
        return 0
    storages: dict[int, int] = {}
    kinds: dict[type, bool] = {}  # asked once a type: there are a million objects
    for one in gc.get_objects():
        kind = type(one)
        if kind not in kinds:
            kinds[kind] = issubclass(kind, torch.Tensor)
        if kinds[kind] and one.device.type == "cpu":
            storage = one.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    device = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
    return sum(storages.values()) + int(device)


class Touched:
    """What is touched while it watches: by Python; what compiled code does by itself is not seen."""

    def __init__(self) -> None:
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.reached: set[str] = set()
        self.started: set[str] = set()

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take one audit event of the interpreter."""
        if event == "open":
            self._note_open(*arguments[:3])
        elif event in NETWORK:
            self.reached.add(f"{event} {arguments[-1] if event != 'socket.getaddrinfo' else arguments[0]}")
        elif event in WRITES:
            self.written.add(str(arguments[0]))
        elif event in STARTS:
            self.started.add(str(arguments[0]))

    def _note_open(self, path: Any, mode: Any, flags: int) -> None:
        if isinstance(path, int):
            return
        name = str(Path(path.decode() if isinstance(path, bytes) else str(path)).absolute())
        if name.startswith(SYSTEM):
            return
        writes = flags & 0o3 or (isinstance(mode, str) and set(mode) & set("wax+"))
        if writes:
            self.written.add(name)
        elif not name.endswith(READS):
            self.read.add(name)


class _Ear:
    """Our one audit hook, which the interpreter never lets go of; deaf but while somebody watches."""

    def __init__(self) -> None:
        self.watching: Touched | None = None
        self._added = False
        self._busy = threading.local()

    def add(self) -> None:
        if not self._added:
            sys.addaudithook(self._hear)
            self._added = True

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.watching is None or getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            self.watching.note(event, arguments)
        finally:
            self._busy.now = False


_EAR: Final = _Ear()


@contextmanager
def watching() -> Iterator[Touched]:
    """Yields what is touched inside, by every thread of this process."""
    _EAR.add()
    touched = Touched()
    _EAR.watching = touched
    try:
        yield touched
    finally:
        _EAR.watching = None
