"""Decoding with the Triton kernels: songs and windows of one length in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tasks.engines.acestep.decoding.decoder import Window, halo, windows
from tasks.engines.acestep.decoding.vae_weights import read

CORE = 1_500
"""Latents of the largest window, 60 s: larger ones gain nothing and take more memory."""


Decode = Callable[[Tensor], Tensor]
"""Latents [batch, n, channels] -> waves [batch, 2, n * hop] in float32."""


class _Piece(NamedTuple):
    """A window of one song."""

    song: int
    window: Window


def fusable(vae: Any) -> bool:
    """Whether this is the network that the kernels were checked with, on a device that runs them."""
    config = vae.config
    return (
        vae.device.type == "cuda"
        and torch.cuda.get_device_capability(vae.device)[0] == 9
        and vae.dtype == torch.bfloat16
        and config.decoder_channels == 128
        and config.decoder_input_channels == 64
        and config.audio_channels == 2
        and list(config.channel_multiples) == [1, 2, 4, 8, 16]
        and list(vae.upsampling_ratios) == [10, 6, 4, 4, 2]
    )


def fused_decoder(vae: Any, core: int = CORE) -> BatchDecoder:
    """The decoder by kernels."""
    from tasks.engines.acestep.decoding.vae_layers import decode as run

    decode = partial(run, read(vae.decoder, torch.bfloat16))
    return BatchDecoder(decode, int(vae.hop_length), halo(list(vae.upsampling_ratios)), core)


class BatchDecoder:
    """Decodes songs of any lengths; each bit for bit as if it were decoded whole and alone."""

    def __init__(self, decode: Decode, hop: int, margin: int, core: int = CORE) -> None:
        self._decode, self._hop, self._margin, self._core = decode, hop, margin, core

    def __call__(self, songs: Sequence[Tensor]) -> Iterator[tuple[int, Tensor]]:
        """See `decoding.Decoder`."""
        waves: dict[int, Tensor] = {}
        missing = [len(song) for song in songs]
        for batch in self._batches(songs):
            latents = torch.stack([songs[p.song][p.window.start : p.window.stop] for p in batch])
            for piece, wave in zip(batch, self._decode(latents), strict=True):
                self._keep(waves, piece, wave, len(songs[piece.song]))
                missing[piece.song] -= piece.window.keep_to - piece.window.keep
                if not missing[piece.song]:
                    yield piece.song, waves.pop(piece.song)

    def _batches(self, songs: Sequence[Tensor]) -> list[list[_Piece]]:
        """Windows of one length together, as many as make up one full window."""
        lengths: dict[int, list[_Piece]] = {}
        for number, song in enumerate(songs):
            for window in windows(len(song), self._core, self._margin):
                lengths.setdefault(window.stop - window.start, []).append(_Piece(number, window))
        batches = []
        for length, pieces in lengths.items():
            size = max(1, self._core // length)
            batches += [pieces[first : first + size] for first in range(0, len(pieces), size)]
        return batches

    def _keep(self, waves: dict[int, Tensor], piece: _Piece, wave: Tensor, latents: int) -> None:
        """Put a window's sound into its song's, without its margins."""
        window, hop = piece.window, self._hop
        if window.keep == 0 and window.keep_to == latents:
            waves[piece.song] = wave
            return
        if piece.song not in waves:
            waves[piece.song] = torch.empty(2, latents * hop, device=wave.device)
        inside = wave[:, (window.keep - window.start) * hop : (window.keep_to - window.start) * hop]
        waves[piece.song][:, window.keep * hop : window.keep_to * hop] = inside
