"""nginx's lines reach standard output whole, however its workers cut and end."""

from __future__ import annotations

import os
from pathlib import Path

from nginx import passing_on


def test_lines_come_out_whole_and_writers_may_come_and_go(tmp_path: Path) -> None:
    pipe, (read, write) = tmp_path / "lines", os.pipe()
    pipe.touch()  # of a gateway that was killed
    passing_on.begin(pipe, write)
    for piece in (b"one\ntw", b"o\n", b"three\n"):
        with pipe.open("wb") as file:
            file.write(piece)
    got = b""
    while got.count(b"\n") < 3:
        got += os.read(read, 1024)
    assert got == b"one\ntwo\nthree\n"
