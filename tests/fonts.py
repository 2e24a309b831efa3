"""Small sound fonts, written by the format's specification, with whatever generators a test needs."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

RATE = 48_000
INSTRUMENT, SAMPLE = 41, 53
PERIOD = 100  # frames of the sine's period: 480 Hz
SINE_KEY = 69 + 12 * float(np.log2(RATE / PERIOD / 440))


def sine(periods: int = 40, level: float = 0.5) -> npt.NDArray[np.float32]:
    """Whole periods of 480 Hz."""
    return (level * np.sin(2 * np.pi * np.arange(periods * PERIOD) / PERIOD)).astype(np.float32)


def write(
    path: Path,
    zones: Sequence[Mapping[int, int]],
    *,
    samples: Sequence[npt.NDArray[np.float32]] | None = None,
    root: int = 70,
    preset: Mapping[int, int] | None = None,
    program: int = 0,
    bank: int = 0,
    packed: bool = False,
    padded: bool = True,
) -> Path:
    """Write a font of one preset, whose instrument has these zones (generator numbers and amounts).

    Zones that name no sample play the first; samples loop over all but their first period.
    """
    pool, headers = _samples(samples or [sine()], root, packed=packed)
    layers = [{**zone, SAMPLE: zone.get(SAMPLE, 0)} for zone in zones]
    tables = {
        "phdr": struct.pack("<20sHHHIII", b"One", program, bank, 0, 0, 0, 0)
        + struct.pack("<20sHHHIII", b"EOP", 0, 0, 1, 0, 0, 0),
        "pbag": _bags([{**(preset or {}), INSTRUMENT: 0}]),
        "pmod": bytes(10),
        "pgen": _generators([{**(preset or {}), INSTRUMENT: 0}]),
        "inst": struct.pack("<20sH", b"One", 0) + struct.pack("<20sH", b"EOI", len(layers)),
        "ibag": _bags(layers),
        "imod": bytes(10),
        "igen": _generators(layers),
        "shdr": headers,
    }
    lists = _list(b"INFO", {"ifil": struct.pack("<HH", 2, 4)}) + _list(b"sdta", {"smpl": pool}, padded=padded)
    body = b"sfbk" + lists + _list(b"pdta", tables)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def sample_bytes(path: Path) -> int:
    """The size of a font's sample chunk."""
    data = path.read_bytes()
    return int(struct.unpack_from("<I", data, data.index(b"smpl") + 4)[0])


def _samples(waves: Sequence[npt.NDArray[np.float32]], root: int, *, packed: bool) -> tuple[bytes, bytes]:
    pool, headers = b"", b""
    for wave in waves:
        pcm = np.rint(wave * 32767).astype("<i2")
        data = _vorbis(wave) if packed else pcm.tobytes() + bytes(2 * 46)
        unit = 1 if packed else 2
        start, first = len(pool) // unit, 0 if packed else len(pool) // unit
        end = start + (len(data) if packed else len(pcm))
        loop = (first + PERIOD, first + len(pcm))
        kind = 0x11 if packed else 1
        headers += struct.pack("<20sIIIIIBbHH", b"Wave", start, end, *loop, RATE, root, 0, 0, kind)
        pool += data
    return pool, headers + struct.pack("<20sIIIIIBbHH", b"EOS", *[0] * 9)


def _vorbis(wave: npt.NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", RATE, 1, "VORBIS", format="OGG") as ogg:
        for at in range(0, len(wave), 65_536):  # libsndfile crashes on a minute in one call
            ogg.write(wave[at : at + 65_536])
    return file.getvalue()


def _bags(layers: Sequence[Mapping[int, int]]) -> bytes:
    firsts = np.cumsum([0, *(len(layer) for layer in layers)])
    return b"".join(struct.pack("<HH", first, 0) for first in firsts.tolist())


def _generators(layers: Sequence[Mapping[int, int]]) -> bytes:
    """Each zone's generators, the one that names what it plays last."""
    records = b""
    for layer in layers:
        for operator in sorted(layer, key=lambda name: (name in {INSTRUMENT, SAMPLE}, name)):
            records += struct.pack("<HH", operator, layer[operator] & 0xFFFF)
    return records + bytes(4)


def _list(name: bytes, chunks: Mapping[str, bytes], *, padded: bool = True) -> bytes:
    body = name
    for chunk, data in chunks.items():
        body += chunk.encode() + struct.pack("<I", len(data)) + data + bytes(len(data) % 2 * padded)
    return b"LIST" + struct.pack("<I", len(body)) + body
