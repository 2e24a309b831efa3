"""What can be measured of heard music, given as [channels, frames]: pitch, pulse, key, repetition, colour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal

RATE = 48_000
Array = npt.NDArray[np.float64]

# Tonic first. Temperley, "The Cognition of Basic Musical Structures" (2001); Albrecht and Shanahan,
# "The Use of Large Corpora to Train a New Type of Key-Finding Algorithm" (2013).
TEMPERLEY = {
    "major": (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0),
    "minor": (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0),
}
ALBRECHT_SHANAHAN = {
    "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
}
NOTES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def mono(samples: npt.NDArray[np.float32]) -> Array:
    return samples.mean(axis=0, dtype=np.float64)


def cents_off(samples: npt.NDArray[np.float32], key: int, span: int = 700) -> float:
    """How far the sound's harmonics lie from those of a MIDI key, searched within `span` cents."""
    x = mono(samples)
    size = 1 << 18
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), size))
    cents = np.arange(-span, span + 1, 2)
    found = np.zeros(len(cents))
    for harmonic in range(1, 9):
        hertz = 440 * 2 ** ((key - 69) / 12 + cents / 1200) * harmonic
        if hertz.max() < RATE / 2:
            found += np.interp(hertz * size / RATE, np.arange(len(spectrum)), spectrum) / harmonic**0.5
    return float(cents[found.argmax()])


def _spectrogram(samples: npt.NDArray[np.float32], size: int, hop: int) -> Array:
    x = np.pad(mono(samples), size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[::hop]
    return np.abs(np.fft.rfft(frames * np.hanning(size), axis=-1))


def bands(samples: npt.NDArray[np.float32], *, hop: int = 512, count: int = 40) -> Array:
    """Logarithmic levels in bands of equal width in pitch, [frames, bands]."""
    spectrum = _spectrogram(samples, 2048, hop)
    edges = np.unique(np.geomspace(2, spectrum.shape[1], count + 1).astype(int))
    energy = np.add.reduceat(spectrum**2, edges[:-1], axis=1)
    return np.asarray(10 * np.log10(energy + 1e-4 * energy.max() + 1e-12))


def onset_strength(samples: npt.NDArray[np.float32], hop: int = 512) -> Array:
    rise = np.maximum(np.diff(bands(samples, hop=hop), axis=0), 0).mean(axis=1)
    return np.asarray(rise - signal.medfilt(rise, 31))


def pulse(samples: npt.NDArray[np.float32], asked: float) -> float:
    """The best tempo within 25 % of `asked`: a comb at 1, 2, 4, 8 beats over the autocorrelation."""
    hop = 512
    onsets = onset_strength(samples, hop)
    onsets = onsets - onsets.mean()
    whole = np.correlate(onsets, onsets, "full")[len(onsets) - 1 :]
    tempos = asked * np.arange(0.75, 1.2501, 0.0025)
    strength = np.zeros(len(tempos))
    for beats in (1, 2, 4, 8):
        lags = beats * 60 / tempos * RATE / hop
        strength += np.interp(lags, np.arange(len(whole)), whole, right=0)
    return float(tempos[strength.argmax()])


def chroma(samples: npt.NDArray[np.float32]) -> Array:
    """Weight of each pitch class, C first, where fundamentals lie: above, a fifth's overtones mislead."""
    size = 16_384
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    heard = (hertz > 60) & (hertz < 700)
    spectrum = _spectrogram(samples, size, size // 4)[:, heard]
    tones = np.maximum(spectrum - ndimage.median_filter(spectrum, (1, 31)), 0).sum(
        axis=0
    )  # drums are a floor
    pitch = 12 * np.log2(hertz[heard] / 440) + 69
    weight = tones * np.exp(-(((pitch - np.rint(pitch)) / 0.2) ** 2))
    return np.bincount(np.rint(pitch).astype(int) % 12, weights=weight, minlength=12)


def key_of(samples: npt.NDArray[np.float32]) -> tuple[str, float]:
    """The key whose profiles the sound's chroma fits best, and how well (mean correlation)."""
    found = chroma(samples)
    fits: dict[str, float] = {}
    for tonic, name in enumerate(NOTES):
        for mode in ("major", "minor"):
            turned = np.roll(found, -tonic)
            both = (TEMPERLEY[mode], ALBRECHT_SHANAHAN[mode])
            fits[f"{name} {mode}"] = float(np.mean([np.corrcoef(turned, profile)[0, 1] for profile in both]))
    best = max(fits, key=lambda key: fits[key])
    return best, fits[best]


def longest_silence(samples: npt.NDArray[np.float32], below: float = -60.0) -> float:
    """Seconds of the longest stretch under `below` dBFS, in steps of 100 ms."""
    step = RATE // 10
    whole = samples.shape[1] // step * step
    power = np.square(samples[:, :whole], dtype=np.float64).mean(axis=0).reshape(-1, step).mean(axis=1)
    longest = run = 0
    for quiet in power < 10 ** (below / 10):
        run = run + 1 if quiet else 0
        longest = max(longest, run)
    return longest / 10


def twins(samples: npt.NDArray[np.float32], bar_seconds: float, alike: float = 0.9) -> float:
    """Share of bars that sound nearly like another bar: correlation of their levels in time and bands."""
    hop = 1024
    levels = bands(samples, hop=hop)
    per_bar = bar_seconds * RATE / hop
    cut = [levels[round(n * per_bar) :][: int(per_bar)] for n in range(int(len(levels) / per_bar))]
    bars = np.array([bar for bar in cut if len(bar) == int(per_bar)])
    bars = (bars - bars.mean(axis=(0, 1))).reshape(len(bars), -1)
    bars /= np.linalg.norm(bars, axis=1, keepdims=True) + 1e-9
    similar = bars @ bars.T
    np.fill_diagonal(similar, -1)
    return float((similar.max(axis=1) > alike).mean())


def flatness(samples: npt.NDArray[np.float32]) -> float:
    """Spectral flatness from 100 Hz to 8 kHz: near 1 for noise, near 0 for tones."""
    power = _spectrogram(samples, 8192, 8192)[:, 17:1365] ** 2 + 1e-12
    return float(np.median(np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)))


def colour(samples: npt.NDArray[np.float32]) -> Array:
    """A fingerprint of how music sounds, whatever its notes: levels, movement and onsets by band."""
    levels = bands(samples, count=24)
    rises = np.maximum(np.diff(levels, axis=0), 0)
    steady = levels - levels.mean()
    return np.concatenate(
        [steady.mean(axis=0), levels.std(axis=0), 4 * rises.mean(axis=0), rises.std(axis=0)]
    )
