"""From latents to sound: windows that join without a seam, one loudness, and the copy to the host."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from tasks.engines.engine import Samples

PEAK = 10.0 ** (-1.0 / 20.0)  # -1 dBFS, as diffusers' pipeline scales
FULL_SCALE = 32_767  # of 16 bits, which the files keep and which cross to the host in half the time
WINDOW = 375  # latents of 15 s; at full size a window's activations take about 1 GB


class Decoder(Protocol):
    """Turns latents into sound."""

    def __call__(self, songs: Sequence[Tensor]) -> Iterator[tuple[int, Tensor]]:
        """Songs of latents [n, channels] -> number and wave, float32 [2, n * hop], as soon as each is whole.

        A wave is the caller's to change.
        """


class Window(NamedTuple):
    """Latents [start, stop) to decode, of which [keep, keep_to) is kept; counted from the song's start."""

    start: int
    stop: int
    keep: int
    keep_to: int


def halo(ratios: list[int]) -> int:
    """Latents on either side that a decoded latent depends on; ratios in the decoder's order.

    Every stage upsamples by a transposed convolution that reaches one row to either side and then convolves
    with kernel 7 at dilations 1, 3 and 9: 39 rows. The first and last convolutions reach 3.
    """
    reach, rate = 3.0, 1
    for ratio in ratios:
        reach += 1 / rate
        rate *= ratio
        reach += 39 / rate
    return math.ceil(reach + 3 / rate)


def windows(latents: int, core: int, margin: int) -> Iterator[Window]:
    """Windows that cover a song; those inside it see `margin` latents more on either side."""
    for keep in range(0, latents, core):
        keep_to = min(keep + core, latents)
        yield Window(max(0, keep - margin), min(latents, keep_to + margin), keep, keep_to)


class PlainDecoder:
    """Decodes with diffusers' own module, window by window so that long songs need no more memory."""

    def __init__(self, vae: Any, core: int = WINDOW) -> None:
        self._vae, self._core = vae, core
        self._margin = halo(list(vae.upsampling_ratios))
        self._hop = int(vae.hop_length)

    def __call__(self, songs: Sequence[Tensor]) -> Iterator[tuple[int, Tensor]]:
        """See `Decoder`."""
        for number, latents in enumerate(songs):
            yield number, self._decode(latents)

    @torch.inference_mode()
    def _decode(self, latents: Tensor) -> Tensor:
        parts = []
        for window in windows(latents.shape[0], self._core, self._margin):
            wave = self._vae.decoder(latents[None, window.start : window.stop].transpose(1, 2))[0]
            kept = slice(
                (window.keep - window.start) * self._hop, (window.keep_to - window.start) * self._hop
            )
            parts.append(wave[:, kept].float())
        return torch.cat(parts, dim=-1)


class Pending:
    """Sound on its way to the host."""

    def __init__(self, host: Tensor, event: torch.cuda.Event | None) -> None:
        self._host, self._event = host, event

    @property
    def ready(self) -> bool:
        """Whether `samples` would return at once."""
        return self._event is None or self._event.query()

    def samples(self) -> Samples:
        """The sound [channels, frames]; waits for it."""
        if self._event is not None:
            self._event.synchronize()
        samples: np.ndarray[Any, np.dtype[np.int16]] = self._host.numpy()
        return samples


class Finisher:
    """Brings decoded sound to one loudness and to the host, beside the device's other work."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    @torch.inference_mode()
    def __call__(self, wave: Tensor, frames: int) -> Pending:
        """Wave [2, n] -> the first `frames` of it in 16 bits, its peak at -1 dBFS; NaN becomes silence.

        The wave is overwritten.
        """
        peak = torch.linalg.vector_norm(wave, torch.inf).clamp(min=1e-6)
        sound = wave[:, :frames].mul_(PEAK * FULL_SCALE / peak).round_().nan_to_num_(0.0).to(torch.int16)
        return self._send(sound)

    @torch.inference_mode()
    def splice(self, wave: Tensor, source: Tensor, share: Tensor) -> Pending:
        """A part of a song made anew: `share` [frames] of the wave, the rest of the source [2, frames].

        Nothing is made louder or softer, so that where the share is 0 the sound is the source's, sample for
        sample: files of 16 bits count 32,768 steps from silence.
        """
        frames = source.shape[-1]
        share, source = share.to(wave.device), source.to(wave.device, torch.float32)
        sound = torch.where(share > 0, share * wave[:, :frames].nan_to_num(0.0), 0.0) + (1 - share) * source
        steps = sound.mul_(FULL_SCALE + 1).round_().clamp_(-FULL_SCALE - 1, FULL_SCALE)
        return self._send(steps.to(torch.int16))

    def _send(self, sound: Tensor) -> Pending:
        if self._stream is None:
            return Pending(sound, None)
        host = torch.empty(sound.shape, dtype=sound.dtype, pin_memory=True)
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            host.copy_(sound, non_blocking=True)
            sound.record_stream(self._stream)
            event = torch.cuda.Event(blocking=True)
            event.record()
        return Pending(host, event)
