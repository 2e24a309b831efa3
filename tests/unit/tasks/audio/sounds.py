"""Sound files as the world has them, made by libsndfile and by hand."""

from __future__ import annotations

import io

import numpy as np
import soundfile

RATE = 44_100


def tone(seconds: float, rate: int = RATE, channels: int = 1, pitch: float = 440.0) -> np.ndarray:
    """[frames, channels]: a tone that is louder and softer, so that a variable bit rate varies."""
    time = np.arange(round(seconds * rate)) / rate
    one = np.sin(2 * np.pi * pitch * time) * 0.4
    noisy = one + np.random.default_rng(7).normal(0, 0.2, len(time)) * (time > seconds / 2)
    return np.stack([noisy] * channels, axis=1).astype(np.float32)


def written(samples: np.ndarray, rate: int = RATE, container: str = "WAV", **options) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, **options)
    return file.getvalue()


def mp3(seconds: float, rate: int = RATE, channels: int = 1, *, mode: str = "VARIABLE") -> bytes:
    return written(
        tone(seconds, rate, channels), rate, "MP3", subtype="MPEG_LAYER_III", bitrate_mode=mode,
        compression_level=0.5,
    )  # fmt: skip


def without_first_frame(data: bytes) -> bytes:
    """An MP3 whose first frame, the one that tells its length, is missing."""
    from tasks.audio.mpeg import frames

    found = frames(data)
    next(found)
    return data[next(found).at :]
