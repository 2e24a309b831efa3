"""Samples to a file: wav, flac, mp3 or opus, by libsndfile.

Everything is written in blocks: libsndfile 1.2.2 crashes on a minute of Vorbis handed over in one call, and
blocks let the caller show progress and stop.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
import soundfile

from tasks.audio import ogg, tags
from tasks.jobs import AudioFormat

Samples = npt.NDArray[np.float32] | npt.NDArray[np.int16]

BLOCK: Final = 65_536  # frames
SOFTWARE: Final = "Tutti"
FULL_SCALE: Final = 32_767
OPUS_RATES: Final = frozenset({8_000, 12_000, 16_000, 24_000, 48_000})
MP3_RATES: Final = frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000})


@dataclass(frozen=True, kw_only=True)
class Codec:
    """How libsndfile calls a format, and the quality we take of it."""

    container: str
    subtype: str
    rates: frozenset[int] | None = None  # those it can carry; None: any
    options: dict[str, Any]


CODECS: Final[dict[AudioFormat, Codec]] = {
    "wav": Codec(container="WAV", subtype="PCM_16", options={}),
    "flac": Codec(container="FLAC", subtype="PCM_16", options={"compression_level": 0.5}),
    # 0.0 is 320 kbit/s: the song is an original, nothing better is kept of it
    "mp3": Codec(
        container="MP3",
        subtype="MPEG_LAYER_III",
        rates=MP3_RATES,
        options={"compression_level": 0.0, "bitrate_mode": "CONSTANT"},
    ),
    # 0.65 is about 190 kbit/s, beyond which listeners hear no difference
    "opus": Codec(container="OGG", subtype="OPUS", rates=OPUS_RATES, options={"compression_level": 0.65}),
}


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """What was written."""

    frames: int
    seconds: float


class EncodingError(ValueError):
    """These samples cannot be written in this format."""


def encode(
    samples: Samples,
    rate: int,
    target: Path | IO[bytes],
    audio_format: AudioFormat,
    *,
    title: str = "",
    progress: Callable[[float], None] = lambda _: None,
) -> Encoded:
    """Write audio to a file.

    Args:
        samples: [channels, frames], float32 in -1..1 (rounded to 16 bits, without dither, so that equal
            samples give equal files) or int16.
        rate: Hz; opus and mp3 carry only their own rates.
        target: Where to; a binary file object has to be readable and seekable too.
        audio_format: Wav, flac, mp3 or opus.
        title: Kept in the file where the format can.
        progress: Called with the share done after each block; what it raises stops the writing.

    Raises:
        EncodingError: The format cannot carry this rate or shape.
        OSError: The file cannot be written.
    """
    channels, frames = samples.shape if samples.ndim == 2 else (0, 0)
    _check(channels, frames, rate, audio_format, list(samples.shape))
    blocks = (samples[:, at : at + BLOCK] for at in range(0, frames, BLOCK))
    sound = _Sound(blocks, rate, channels, frames)
    return _encode(sound, target, audio_format, title, progress)


def convert(
    source: Path,
    target: IO[bytes],
    audio_format: AudioFormat,
    *,
    title: str = "",
    progress: Callable[[float], None] = lambda _: None,
) -> Encoded:
    """Write an audio file of ours in another format, a block at a time.

    Args:
        source: 16-bit wav or flac.
        target: Readable, writable and seekable.
        audio_format: As for `encode`.
        title: As for `encode`.
        progress: As for `encode`.

    Raises:
        EncodingError: The format cannot carry this rate or shape.
        OSError, RuntimeError: The source cannot be read, or the target cannot be written.
    """
    with soundfile.SoundFile(os.fsencode(source)) as file:
        channels, frames, rate = int(file.channels), int(file.frames), int(file.samplerate)
        _check(channels, frames, rate, audio_format, [channels, frames])
        blocks = (block.T for block in file.blocks(BLOCK, dtype="int16", always_2d=True))
        return _encode(_Sound(blocks, rate, channels, frames), target, audio_format, title, progress)


@dataclass(frozen=True)
class _Sound:
    """Blocks of [channels, frames], and how many frames there are in all of them."""

    blocks: Iterable[Samples]
    rate: int
    channels: int
    frames: int


def _encode(
    sound: _Sound,
    target: Path | IO[bytes],
    audio_format: AudioFormat,
    title: str,
    progress: Callable[[float], None],
) -> Encoded:
    if isinstance(target, Path):
        with target.open("w+b") as file:
            return _encode(sound, file, audio_format, title, progress)
    codec = CODECS[audio_format]
    if audio_format == "mp3":  # its titles are ours to write
        target.write(tags.id3(title, SOFTWARE))
        _write(sound, tags.Behind(target), codec, "", progress)
    else:
        _write(sound, target, codec, title, progress)
    if audio_format == "opus":
        ogg.renumber(target)
    return Encoded(frames=sound.frames, seconds=sound.frames / sound.rate)


def _write(
    sound: _Sound,
    target: IO[bytes] | tags.Behind,
    codec: Codec,
    title: str,
    progress: Callable[[float], None],
) -> None:
    samples_of = _rounded if codec.subtype == "PCM_16" else _floating
    with soundfile.SoundFile(
        target, "w", sound.rate, sound.channels, codec.subtype, format=codec.container, **codec.options
    ) as file:
        if codec.container != "MP3":
            file.software = SOFTWARE
            if title:
                file.title = title
        done = 0
        for block in sound.blocks:
            file.write(np.ascontiguousarray(samples_of(block).T))
            done += block.shape[1]
            progress(done / sound.frames)


def _check(channels: int, frames: int, rate: int, audio_format: AudioFormat, shape: list[int]) -> None:
    codec = CODECS[audio_format]
    if channels not in {1, 2} or not frames:
        raise EncodingError(f"audio has to be [1 or 2 channels, frames], not {shape}")
    if codec.rates is not None and rate not in codec.rates:
        raise EncodingError(f"{audio_format} cannot carry {rate} Hz; resample to 48000")


def _rounded(block: Samples) -> npt.NDArray[np.int16]:
    """[channels, frames] as 16 bits. NaN has no sound: it becomes silence."""
    if block.dtype == np.int16:
        return block.astype(np.int16, copy=False)
    scaled = np.rint(np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0) * FULL_SCALE)
    return np.asarray(np.clip(scaled, -FULL_SCALE, FULL_SCALE), dtype=np.int16)


def _floating(block: Samples) -> npt.NDArray[np.float32]:
    """[channels, frames] in -1..1: libsndfile's mp3 encoder garbles the 16-bit samples it is given."""
    if block.dtype == np.int16:
        return np.asarray(block.astype(np.float32) / (FULL_SCALE + 1), dtype=np.float32)
    whole = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.asarray(np.clip(whole, -1, 1), dtype=np.float32)
