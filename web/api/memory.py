"""How full the memory is: the machine's, or that of the container, whichever is fuller.

psutil tells the machine's alone. A container's limit is its control group's or one above it; what the kernel
can drop at once (`inactive_file`) does not count, as in Kubernetes' working set.
Source: https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/memory.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Files:
    """What one version of control groups calls its files, and the word in `memory.stat`."""

    limit: str
    used: str
    droppable: str


V1 = Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = Files("memory.max", "memory.current", "inactive_file")


def used_percent(groups: Path = GROUPS, own: Path = OWN) -> float:
    """The share of the memory in use, 0 to 100.

    Args:
        groups: Where control groups are mounted.
        own: The file that names this process's.
    """
    return max([psutil.virtual_memory().percent, *_of_groups(groups, own)])


def _of_groups(groups: Path, own: Path) -> Iterator[float]:
    """The share in use of each limit that holds here."""
    for root, path, files in _mine(groups, own):
        inside = root.joinpath(*path.parts[1:])
        folders = [inside, *inside.parents] if inside.is_dir() else [root]
        for folder in folders:
            if folder.is_relative_to(root):
                yield from _share(folder, files)


def _mine(groups: Path, own: Path) -> Iterator[tuple[Path, Path, Files]]:
    """Where this process's groups begin, where it stands among them, and what their files are called."""
    try:
        lines = own.read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            yield groups / "memory", Path(path), V1
        elif not controllers:
            yield groups, Path(path), V2


def _share(folder: Path, files: Files) -> Iterator[float]:
    try:
        limit = (folder / files.limit).read_text().strip()
        used = int((folder / files.used).read_text())
        known = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # the root has no limit, or another version is in use
        return
    if limit.isdigit() and 0 < int(limit) <= psutil.virtual_memory().total:
        yield 100 * (used - int(known.get(files.droppable, 0))) / int(limit)
