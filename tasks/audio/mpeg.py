"""The frames of MP3 files, whose headers say too little or the wrong thing.

A decoder takes the length of an MP3 from a first frame without sound ("Xing", "Info"); where there is none it
guesses by the first bit rate. So of variable bit rates a part is lost, and of joined files all but the first.
Here the frames themselves are counted. Sources: ISO/IEC 11172-3, 2.4.2.3; 13818-3; the tags as LAME and Xing
wrote them. Our own, because libsndfile does not let mpg123 look through a file, and no other decoder is
always there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
BITRATES: Final = {  # kbit/s of layer III by whether it is MPEG 1
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
LAYER_THREE: Final = 1
MONO: Final = 3
TAGS: Final = (b"Xing", b"Info")
HEAD: Final = 4
TAG_ROOM: Final = 16  # of a tag with frames and bytes
PARTS_MAX: Final = 64  # files that may have been joined
SHARE_OF_FRAMES: Final = 0.5  # of the bytes; chance finds far fewer in what is no MP3


class NotMpeg(ValueError):
    """This is no MP3, or none that can be read; the message says why."""


@dataclass(frozen=True)
class Frame:
    """One frame: where it stands, how long it is, and what kind of sound it holds."""

    at: int
    size: int
    version: int  # as the header has it: 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5
    rate: int
    mono: bool
    crc: bool

    @property
    def kind(self) -> tuple[int, int, bool]:
        """What all frames of one stream share."""
        return self.version, self.rate, self.mono

    @property
    def tag(self) -> int:
        """Where a tag stands: behind the header, its checksum and the side information."""
        side = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
        return HEAD + 2 * self.crc + side[self.version == 3, self.mono]


def frame_at(data: bytes, at: int) -> Frame | None:
    """The frame of layer III that begins at a place, if its header can be one."""
    if at + HEAD > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer, crc = data[at + 1] >> 3 & 3, data[at + 1] >> 1 & 3, not data[at + 1] & 1
    bitrate, rate = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or layer != LAYER_THREE or bitrate in {0, 15} or rate == 3:
        return None
    hertz, first = RATES[version][rate], version == 3
    size = (144 if first else 72) * BITRATES[first][bitrate] * 1_000 // hertz + (data[at + 2] >> 1 & 1)
    return Frame(at, size, version, hertz, data[at + 3] >> 6 == MONO, crc)


def frames(data: bytes) -> Iterator[Frame]:
    """All frames in order. What stands between them (ID3, APE, pictures, noise) is passed over."""
    at, kind = 0, None
    while 0 <= at < len(data):
        frame = frame_at(data, at)
        if frame is None or not _goes_on(data, frame, known=frame.kind == kind):
            kind = None
            at = _next(data, at)
            continue
        kind = frame.kind
        yield frame
        at += frame.size


def _goes_on(data: bytes, frame: Frame, *, known: bool) -> bool:
    """Whether the frame is whole, and another of its kind, a tag or the end follows."""
    end = frame.at + frame.size
    if end > len(data):
        return known  # the last one, cut off
    following = frame_at(data, end)
    if following is not None:
        return following.kind == frame.kind or known
    return known


def _next(data: bytes, at: int) -> int:
    """The next place where a frame may begin; an ID3 tag says how long it is."""
    if data[at : at + 3] == b"ID3" and len(data) >= at + 10:
        size = 0
        for byte in data[at + 6 : at + 10]:
            size = size << 7 | byte & 0x7F
        return at + 10 + size
    return data.find(b"\xff", at + 1)


def parts(data: bytes) -> list[bytes]:
    """The file as one stream for each part that was joined, whose first frame tells its true length.

    Raises:
        NotMpeg: There are hardly any frames in it, or too many parts.
    """
    groups: list[list[Frame]] = []
    covered = 0
    for frame in frames(data):
        covered += frame.size
        if not groups or _has_tag(data, frame) or frame.kind != groups[-1][-1].kind:
            groups.append([])
            if len(groups) > PARTS_MAX:
                raise NotMpeg(f"is joined of more than {PARTS_MAX} MP3 files; export it as one file")
        groups[-1].append(frame)
    if covered < SHARE_OF_FRAMES * (len(data) - _tag_size(data)) or not groups:
        raise NotMpeg("is no MP3")
    return [_whole(data, group) for group in groups if len(group) > _has_tag(data, group[0])]


def _tag_size(data: bytes) -> int:
    return min(len(data), _next(data, 0)) if data[:3] == b"ID3" else 0


def _has_tag(data: bytes, frame: Frame) -> bool:
    return data[frame.at + frame.tag : frame.at + frame.tag + 4] in TAGS or (
        data[frame.at + 36 : frame.at + 40] == b"VBRI"
    )


def _whole(data: bytes, group: list[Frame]) -> bytes:
    """A stream of these frames; its own tag stays where it tells the truth, with what it says of gaps."""
    sound = group[1:] if _has_tag(data, group[0]) else group
    body = b"".join(data[frame.at : frame.at + frame.size] for frame in sound)
    if sound is not group and _told(data, group[0]) == len(sound):
        first = data[group[0].at : group[0].at + group[0].size]
    else:
        first = _tag(data, sound[0], len(sound), len(body))
    return first + body


def _told(data: bytes, frame: Frame) -> int | None:
    """How many frames a tag says that there are."""
    at = frame.at + frame.tag
    if data[at : at + 4] not in TAGS or not data[at + 7] & 1:
        return None
    return int(struct.unpack_from(">I", data, at + 8)[0])


def _tag(data: bytes, like: Frame, count: int, size: int) -> bytes:
    """A first frame that says how many follow."""
    head = bytearray(data[like.at : like.at + HEAD])
    head[1] |= 1  # no checksum
    for bitrate in range(1, 15):
        head[2] = head[2] & 0x0D | bitrate << 4
        frame = frame_at(bytes(head), 0)
        if frame and frame.size >= frame.tag + TAG_ROOM:
            told = b"Xing" + struct.pack(">III", 3, count, size + frame.size)
            return bytes(head).ljust(frame.tag, b"\0") + told.ljust(frame.size - frame.tag, b"\0")
    raise NotMpeg("has frames too short for sound")
