"""Decoding with the Triton kernels: windows of one size, batched over songs and recorded as graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tasks.engines.acestep.decoding import Window, halo
from tasks.engines.acestep.graphs import Graphs

CORE = 375  # 15 s
BATCHES = (4, 2, 1)  # windows at once; more gain nothing, since one already fills the device
SHORT_BATCH = 16  # songs of one length below a window
HEIGHT = 393  # CORE and nine latents on either side


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
        and halo(list(vae.upsampling_ratios)) * 2 + CORE <= HEIGHT
    )


def place(latents: int, margin: int) -> list[Window]:
    """Windows of exactly `HEIGHT` latents that cover a song of at least so many."""
    found, at = [], 0
    while at < latents:
        start = min(max(0, at - margin), latents - HEIGHT)
        stop = start + HEIGHT
        keep_to = latents if stop == latents else stop - margin
        found.append(Window(start, stop, at, keep_to))
        at = keep_to
    return found


class FusedDecoder:
    """Decodes songs of any lengths; each exactly as if it were decoded whole and alone."""

    def __init__(self, vae: Any, *, recorded: bool) -> None:
        from tasks.engines.acestep import vae_triton

        self._decode = vae_triton.decode
        self._network = vae_triton.read(vae.decoder, torch.bfloat16)
        self._hop, self._margin = int(vae.hop_length), halo(list(vae.upsampling_ratios))
        self._graphs = Graphs(vae.device, enabled=recorded)
        channels = int(vae.config.decoder_input_channels)
        like = {"device": vae.device}
        self._in = {b: torch.zeros(b, HEIGHT, channels, dtype=torch.bfloat16, **like) for b in BATCHES}
        self._out: dict[int, Tensor] = {}

    @torch.inference_mode()
    def __call__(self, songs: Sequence[Tensor]) -> list[Tensor]:
        """See `decoding.Decoder`."""
        waves: dict[int, Tensor] = {}
        self._decode_short(songs, waves)
        self._decode_long(songs, waves)
        return [waves[number] for number in range(len(songs))]

    def _decode_short(self, songs: Sequence[Tensor], waves: dict[int, Tensor]) -> None:
        lengths: dict[int, list[int]] = {}
        for number, song in enumerate(songs):
            if len(song) < HEIGHT:
                lengths.setdefault(len(song), []).append(number)
        for numbers in lengths.values():
            for first in range(0, len(numbers), SHORT_BATCH):
                some = numbers[first : first + SHORT_BATCH]
                batch = self._decode(self._network, torch.stack([songs[number] for number in some]))
                waves.update(zip(some, batch.unbind(), strict=True))

    def _decode_long(self, songs: Sequence[Tensor], waves: dict[int, Tensor]) -> None:
        windows: list[tuple[int, Window]] = []
        for number, song in enumerate(songs):
            if len(song) >= HEIGHT:
                windows += [(number, window) for window in place(len(song), self._margin)]
                waves[number] = torch.empty(2, len(song) * self._hop, device=song.device)
        while windows:
            size = next(batch for batch in BATCHES if batch <= len(windows))
            some, windows = windows[:size], windows[size:]
            batch = self._window(torch.stack([songs[n][w.start : w.stop] for n, w in some]))
            for (number, window), wave in zip(some, batch, strict=True):
                inside = slice(
                    (window.keep - window.start) * self._hop, (window.keep_to - window.start) * self._hop
                )
                kept = slice(window.keep * self._hop, window.keep_to * self._hop)
                waves[number][:, kept] = wave[:, inside]

    def _window(self, latents: Tensor) -> Tensor:
        """Decode [batch, HEIGHT, channels]; the result is valid until the next call."""
        size = latents.shape[0]
        self._in[size].copy_(latents)
        if size not in self._out:
            wave = torch.empty(size, 2, HEIGHT * self._hop, device=latents.device)
            self._out[size] = wave
        # small keys, so that a size is recorded when it first comes
        self._graphs.run((id(self), size), lambda: self._forward(size))
        return self._out[size]

    def _forward(self, size: int) -> None:
        self._out[size].copy_(self._decode(self._network, self._in[size]))
