"""How full the memory is, where a container's limit is tighter than the machine's."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from web.api.memory import used_percent

MB = 2**20


def group(folder: Path, names: tuple[str, str], limit: int | str, used: int, stat: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in zip(names, (limit, used), strict=True):
        (folder / name).write_text(f"{value}\n")
    (folder / "memory.stat").write_text(f"anon 4096\n{stat}\n")


V2 = ("memory.max", "memory.current")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "own"


def machine() -> float:
    return psutil.virtual_memory().percent


@pytest.mark.parametrize("path", ["/", "/pod/one"])
def test_the_second_version_is_read_at_its_root_and_below(tmp_path: Path, own: Path, path: str) -> None:
    own.write_text(f"0::{path}\n")
    group(tmp_path / "fs" / path.strip("/"), V2, 100 * MB, 99 * MB, f"inactive_file {MB}")
    assert used_percent(tmp_path / "fs", own) == pytest.approx(98.0)


def test_a_limit_above_the_own_group_holds_too(tmp_path: Path, own: Path) -> None:
    own.write_text("0::/pod/one\n")
    group(tmp_path / "fs/pod/one", V2, "max", 10 * MB, "inactive_file 0")
    group(tmp_path / "fs/pod", V2, 100 * MB, 99 * MB, "inactive_file 0")
    assert used_percent(tmp_path / "fs", own) == pytest.approx(99.0)


def test_a_container_sees_its_group_as_the_root_though_the_file_names_the_hosts(
    tmp_path: Path, own: Path
) -> None:
    own.write_text("4:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n0::/\n")
    group(tmp_path / "fs/memory", V1, 100 * MB, 98 * MB, f"total_inactive_file {3 * MB}")
    assert used_percent(tmp_path / "fs", own) == pytest.approx(95.0)


@pytest.mark.parametrize("limit", ["max", str(2**63 - 4096)])
def test_where_there_is_no_limit_the_machine_counts(tmp_path: Path, own: Path, limit: str) -> None:
    own.write_text("0::/\n3:memory:/\n")
    group(tmp_path / "fs", V2, limit, 99 * MB, "inactive_file 0")
    group(tmp_path / "fs/memory", V1, limit, 99 * MB, "total_inactive_file 0")
    assert used_percent(tmp_path / "fs", own) == pytest.approx(machine(), abs=5)


def test_what_cannot_be_read_says_nothing(tmp_path: Path, own: Path) -> None:
    assert used_percent(tmp_path / "nowhere", own) == pytest.approx(machine(), abs=5)
    own.write_text("0::/\n")
    group(tmp_path / "fs", V2, 100 * MB, 99 * MB, "inactive_file")
    assert used_percent(tmp_path / "fs", own) == pytest.approx(machine(), abs=5)


def test_the_processs_own_files_are_read() -> None:
    assert machine() - 5 <= used_percent() <= 100
