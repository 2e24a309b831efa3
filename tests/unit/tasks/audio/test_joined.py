"""Files that stand one behind the other, headers that name less than there is: nothing is lost in silence."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
import soundfile

from tasks.audio.decoding import Undecodable, measure
from tests.unit.tasks.audio.sounds import tone


def made(seconds: float, container: str, subtype: str | None = None, rate: int = 48_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, tone(seconds, rate), rate, format=container, subtype=subtype)
    return file.getvalue()


def seconds_of(data: bytes, tmp_path: Path) -> float:
    (path := tmp_path / "sound").write_bytes(data)
    return measure(path).seconds


@pytest.mark.parametrize(
    ("container", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("FLAC", None), ("MP3", None)]
)
def test_all_of_a_chain_is_heard(container: str, subtype: str | None, tmp_path: Path) -> None:
    chain = b"".join(made(length, container, subtype) for length in (5.5, 6.0, 7.0))
    assert seconds_of(chain, tmp_path) == pytest.approx(18.5, abs=0.1)
    assert seconds_of(made(6.0, container, subtype), tmp_path) == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize("named", [0, 48_000 * 2 * 5 + 7])
def test_a_wav_with_more_sound_than_its_header_names_is_refused(named: int, tmp_path: Path) -> None:
    wav = made(8.0, "WAV")
    at = wav.index(b"data") + 4
    with pytest.raises(Undecodable, match="more sound than its header says"):
        seconds_of(wav[:at] + struct.pack("<I", named) + wav[at + 4 :], tmp_path)


@pytest.mark.parametrize(
    "more", [b"", b"\0" * 9_000, b"TAG" + b"x" * 125, b"id3 " + struct.pack("<I", 8_000) + b"x" * 8_000]
)
@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64", "AIFF"])
def test_what_programs_put_behind_the_sound_is_no_sound(container: str, more: bytes, tmp_path: Path) -> None:
    if container == "AIFF":
        more = more.replace(struct.pack("<I", 8_000), struct.pack(">I", 8_000))
    assert seconds_of(made(6.0, container) + more, tmp_path) == pytest.approx(6.0, abs=0.01)
