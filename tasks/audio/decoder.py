"""The decoders' own process: `python -m tasks.audio.decoder RATE SECONDS < file`.

It writes stereo samples (float32) of RATE Hz to its standard output, none where RATE is 0, and one line of
JSON to its standard error: what the file holds, or why it is refused. Which decoder reads a file is decided
by its first bytes, by the list below and nothing else.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:  # numpy is loaded once this process is confined
    import numpy as np
    import numpy.typing as npt

    Block = npt.NDArray[np.float32]
    Opened = Any  # soundfile has no types

MEMORY: Final = 1 << 30  # bytes of address space
CPU_SECONDS: Final = 100
FILE_SIZE: Final = 1 << 28  # of ffmpeg's cache, which lets it go back in what comes by a pipe
BLOCK: Final = 1 << 16  # frames
RATE_MIN, RATE_MAX, CHANNELS_MAX = 1_000, 384_000, 8
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38

# libsndfile's containers that are taken, as it calls them.
CONTAINERS: Final = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG", "AIFF", "CAF"})
BY_FFMPEG: Final = {"mp4": "mov", "webm": "matroska", "aac": "aac", "opus": "ogg"}  # its own names
KINDS: Final = "wav, flac, mp3, ogg or aiff"


TOO_LONG: Final = "too long"  # the parent knows the limit and says it


class Refused(Exception):
    """Why the file is not taken, for the person who sent it."""


@dataclass
class Measured:
    """What was decoded so far."""

    kind: str
    seconds: float = 0.0
    rate: int = 0
    channels: int = 0


def main(rate: int, longest: float) -> int:
    """Decode standard input; see the module."""
    confine()
    try:
        answer = decode(sys.stdin.buffer, sys.stdout.buffer, rate, longest).__dict__
    except Refused as refusal:
        answer = {"refused": str(refusal)}
    except MemoryError:
        answer = {"refused": "needs more memory to decode than is allowed; send it as plain wav or flac"}
    sys.stdout.flush()
    print(json.dumps(answer), file=sys.stderr)  # noqa: T201
    return 0


def confine() -> None:
    """Bound this process and what it starts, and let it end with its parent."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def kind_of(head: bytes) -> str | None:
    """What a file is by its first bytes; None for what is not taken."""
    return next((kind for kind, fits in KINDS_BY_HEAD if fits(head)), None)


def _mpeg_layer(head: bytes) -> int | None:
    """The layer that a header of MPEG audio names, 0 for AAC; None for what is no such header."""
    synchronous = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0
    return head[1] >> 1 & 3 if synchronous else None


KINDS_BY_HEAD: Final[tuple[tuple[str, Callable[[bytes], bool]], ...]] = (
    ("wav", lambda head: head[8:12] == b"WAVE" and head[:4] in {b"RIFF", b"RF64", b"RIFX"}),
    ("aiff", lambda head: head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}),
    ("flac", lambda head: head.startswith(b"fLaC")),
    # Opus of more than two channels, which libsndfile does not know
    ("opus", lambda head: head[:4] == b"OggS" and head[28:36] == b"OpusHead" and head[37:38] > b"\x02"),
    ("ogg", lambda head: head.startswith(b"OggS")),
    ("caf", lambda head: head.startswith(b"caff")),
    ("webm", lambda head: head.startswith(b"\x1aE\xdf\xa3")),
    ("mp4", lambda head: head[4:8] == b"ftyp"),
    ("aac", lambda head: _mpeg_layer(head) == 0),
    ("mp3", lambda head: head.startswith(b"ID3") or _mpeg_layer(head) is not None),
)


def decode(file: BinaryIO, output: BinaryIO, rate: int, longest: float) -> Measured:
    """Decode all of a file.

    Raises:
        Refused: It cannot be taken.
    """
    import numpy as np

    kind = kind_of(file.read(64))
    file.seek(0)
    if kind is None:
        raise Refused(f"is no audio that is known here; send {KINDS}")
    measured = Measured(kind)
    for stereo, hertz in _streams(file, kind, measured, rate, longest):
        if not np.isfinite(stereo).all():
            raise Refused("holds values that are no sound; export it again")
        measured.seconds += len(stereo) / hertz
        if measured.seconds > longest:
            raise Refused(TOO_LONG)
        if rate:
            output.write(stereo.tobytes())
    if not measured.seconds:
        raise Refused("holds no sound")
    measured.seconds = round(measured.seconds, 3)
    return measured


def _streams(
    file: BinaryIO, kind: str, measured: Measured, rate: int, longest: float
) -> Iterator[tuple[Block, int]]:
    """Blocks [frames, 2] and their rate; every stream of the file one after the other."""
    if kind == "mp3":
        yield from _mp3(file, measured, rate)
        return
    if kind in BY_FFMPEG:
        yield from _by_ffmpeg(file, kind, measured, rate or 48_000, longest)
        return
    import soundfile

    from tasks.audio import joined

    mask = _mask(file) if kind == "wav" else 0
    file.seek(0)
    data = file.read()
    if joined.left_over(kind, data):
        raise Refused("has more sound than its header says; export it again")
    for part in joined.parts(kind, data):
        try:
            with soundfile.SoundFile(io.BytesIO(part)) as opened:
                yield from _by_libsndfile(opened, measured, rate, mask)
        except soundfile.LibsndfileError as error:
            raise Refused("is damaged, or of a kind that cannot be read; export it again") from error


def _mp3(file: BinaryIO, measured: Measured, rate: int) -> Iterator[tuple[Block, int]]:
    import soundfile

    from tasks.audio.mpeg import NotMpeg, parts

    try:
        found = parts(file.read())
    except NotMpeg as error:
        raise Refused(f"{error}; send {KINDS}") from error
    for part in found:
        try:
            with soundfile.SoundFile(io.BytesIO(part)) as opened:
                yield from _by_libsndfile(opened, measured, rate, 0)
        except soundfile.LibsndfileError as error:
            raise Refused("is a damaged MP3; export it again") from error


def _by_libsndfile(opened: Opened, measured: Measured, rate: int, mask: int) -> Iterator[tuple[Block, int]]:
    import soxr

    from tasks.audio import mixing

    own, channels = int(opened.samplerate), int(opened.channels)
    if (
        opened.format not in CONTAINERS | {"MP3"}
        or not RATE_MIN <= own <= RATE_MAX
        or channels > CHANNELS_MAX
    ):
        raise Refused(
            f"has {channels} channels of {own} Hz; send up to {CHANNELS_MAX} of {RATE_MIN} to {RATE_MAX} Hz"
        )
    vorbis = opened.format == "OGG"
    places = mixing.places_of(mask, channels) or mixing.usual(channels, vorbis=vorbis)
    assert places is not None  # noqa: S101  every number up to the bound has an order
    matrix = mixing.to_stereo(places)
    measured.rate, measured.channels = measured.rate or own, max(measured.channels, channels)
    stream = soxr.ResampleStream(own, rate, 2, dtype="float32") if rate and rate != own else None
    while len(block := opened.read(BLOCK, dtype="float32", always_2d=True)):
        stereo = block if places == ["L", "R"] else block @ matrix
        yield (stream.resample_chunk(stereo), rate) if stream else (stereo, own)
    if stream:
        import numpy as np

        yield stream.resample_chunk(np.zeros((0, 2), np.float32), last=True), rate


def _mask(file: BinaryIO) -> int:
    """The dwChannelMask of a wav file, 0 where it has none; the place in the file stays."""
    head = file.read(4096)
    file.seek(0)
    at = 12
    while at + 8 <= len(head):
        name, size = head[at : at + 4], struct.unpack_from("<I", head, at + 4)[0]
        if name == b"fmt " and size >= 40 and at + 32 <= len(head):
            extensible = struct.unpack_from("<H", head, at + 8)[0] == 0xFFFE
            return int(struct.unpack_from("<I", head, at + 28)[0]) if extensible else 0
        at += 8 + size + size % 2
    return 0


def _by_ffmpeg(
    file: BinaryIO, kind: str, measured: Measured, rate: int, longest: float
) -> Iterator[tuple[Block, int]]:
    """What libsndfile cannot read, where ffmpeg is: one demuxer, from a pipe, and no other protocol."""
    import numpy as np

    program = shutil.which("ffmpeg")
    if program is None:
        raise Refused(f"is {kind}, for which this server lacks ffmpeg; send {KINDS}")
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    command = [program, "-v", "quiet", "-nostdin", "-threads", "1", "-protocol_whitelist", "cache,pipe"]
    command += [
        "-read_ahead_limit",
        "-1",
        "-f",
        BY_FFMPEG[kind],
        "-i",
        "cache:pipe:0",
        "-map",
        "0:a:0",
        "-vn",
        "-sn",
        "-dn",
    ]
    command += ["-t", str(longest + 1), "-f", "f32le", "-ac", "2", "-ar", str(rate), "-"]
    # ffmpeg's own mix-down has the weights of BS.775 where its output is floating point
    with subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:  # noqa: S603
        assert child.stdout is not None  # noqa: S101
        with contextlib.ExitStack() as ending:
            ending.callback(child.kill)
            while raw := child.stdout.read(BLOCK * 8):
                whole = len(raw) // 8 * 8
                measured.rate, measured.channels = rate, 2
                yield np.frombuffer(raw[:whole], np.float32).reshape(-1, 2), rate
            ending.pop_all()
    if child.returncode:
        raise Refused(f"cannot be read as sound; send {KINDS}")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2])))
