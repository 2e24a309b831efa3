"""The Oobleck decoder by the kernels of `vae_triton`, channels last.

Decoding eagerly spends most of its time moving activations (706 million at 60 s, each read about twelve times
a residual unit) and turning layouts. Here a layer is one kernel; at 128 and 256 channels a residual unit is.

Model: `OobleckDecoder` of diffusers (Stable Audio's autoencoder, Evans et al. 2024, arXiv:2402.04825).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor
from triton.tools.tensor_descriptor import TensorDescriptor

from tasks.engines.acestep.decoding.vae_weights import TAPS_WIDE, Network, Snake, Unit, Upsampling
from tasks.engines.acestep.kernels.vae_triton import convolve_kernel, sum_taps_kernel, unit_kernel

GROUP = 8  # row tiles that share their weights in the cache


class Tile(NamedTuple):
    """Rows, columns and depth of one program's product, its warps and pipeline stages."""

    rows: int
    columns: int
    depth: int
    warps: int
    stages: int


# The fastest on one H100 at 60 s; fixed rather than tuned at run time, so that bits repeat.
TILES = {
    "up_2048": Tile(128, 256, 64, 8, 4),
    "wide_1024": Tile(128, 256, 64, 8, 4),
    "narrow_1024": Tile(128, 128, 64, 4, 3),
    "up_1024": Tile(128, 256, 64, 8, 3),
    "wide_512": Tile(128, 256, 64, 8, 3),
    "narrow_512": Tile(128, 128, 64, 8, 3),
    "up_512": Tile(128, 128, 64, 4, 3),
    "up_256": Tile(128, 128, 64, 4, 3),
}
DEFAULT_TILE = Tile(128, 256, 64, 8, 3)
UNIT_TILES = {128: Tile(256, 128, 64, 8, 4), 256: Tile(128, 256, 64, 8, 3)}


class Plane(NamedTuple):
    """Activations [songs, time, channels], a view into `base` that may skip rows between songs."""

    base: Tensor
    shape: tuple[int, int, int]
    strides: tuple[int, int, int]

    @classmethod
    def of(cls, tensor: Tensor) -> Plane:
        """A whole tensor."""
        songs, time, channels = tensor.shape
        return cls(tensor, (songs, time, channels), (time * channels, channels, 1))

    def described(self, rows: int, columns: int) -> Any:
        """For the copy engine, in blocks of one song's rows and columns."""
        return TensorDescriptor(self.base, list(self.shape), list(self.strides), [1, rows, columns])

    def view(self) -> Tensor:
        """As a tensor."""
        return torch.as_strided(self.base, self.shape, self.strides, self.base.storage_offset())


def convolve(
    name: str,
    s: Plane,
    weight: Tensor,
    bias: Tensor,
    snake: Snake,
    *,
    taps: int,
    dilation: int = 1,
    offset: int | None = None,
    rows: int | None = None,
    x: Plane | None = None,
    x_out: Plane | None = None,
) -> Tensor:
    """One convolution: s -> snake(y) [songs, rows, columns]; y goes to `x_out`, plus `x`, where given."""
    songs, time, channels = s.shape
    columns = weight.shape[1]
    rows = rows or time
    tile = TILES.get(name, DEFAULT_TILE)
    block = (tile.rows, min(tile.columns, columns))
    depth = min(tile.depth, channels)
    out = torch.empty(songs, rows, columns, device=weight.device, dtype=weight.dtype)
    s_out = Plane.of(out).described(*block)
    row_tiles, column_tiles = triton.cdiv(rows, block[0]), triton.cdiv(columns, block[1])
    convolve_kernel[(row_tiles * column_tiles, songs)](
        s.described(block[0], depth),
        TensorDescriptor.from_tensor(weight, [depth, block[1]]),
        x.described(*block) if x is not None else s_out,
        x_out.described(*block) if x_out is not None else s_out,
        s_out,
        bias,
        snake.alpha,
        snake.inverse_beta,
        row_tiles,
        column_tiles,
        CHANNELS=channels,
        TAPS=taps,
        DILATION=dilation,
        OFFSET=-(taps // 2) * dilation if offset is None else offset,
        ROWS=block[0],
        COLUMNS=block[1],
        DEPTH=depth,
        GROUPED=GROUP,
        RESIDUAL=x is not None,
        STORE_X=x_out is not None,
        STAGES=tile.stages,
        num_warps=tile.warps,
    )
    return out


def upsample(s: Plane, up: Upsampling, following: Snake) -> tuple[Plane, Plane]:
    """A transposed convolution: s -> (x, snake(x)), both [songs, time * stride, channels]."""
    songs, time, channels = s.shape
    x = torch.empty(songs, time + 1, up.weight.shape[1], device=up.weight.device, dtype=up.weight.dtype)
    shape = (songs, time * up.stride, up.channels)
    strides = ((time + 1) * up.stride * up.channels, up.channels, 1)
    out = convolve(
        f"up_{channels}",
        s,
        up.weight,
        up.bias,
        following.repeated(up.stride),
        taps=2,
        offset=-1,
        rows=time + 1,
        x_out=Plane.of(x),
    )
    # the padding is cut off the flat rows' start
    start = up.padding * up.channels
    return Plane(x.view(-1)[start:], shape, strides), Plane(out.view(-1)[start:], shape, strides)


def apply_unit(s: Plane, x: Plane, unit: Unit, following: Snake, *, keep_x: bool) -> Plane:
    """One residual unit; x is updated in place where a later unit needs it."""
    songs, time, channels = s.shape
    if channels in UNIT_TILES:
        out = torch.empty(songs, time, channels, device=unit.wide.weight.device, dtype=unit.wide.weight.dtype)
        _launch_unit(s, x, unit, following, keep_x=keep_x, out=out, last=None)
        return Plane.of(out)
    middle = convolve(
        f"wide_{channels}",
        s,
        unit.wide.weight,
        unit.wide.bias,
        unit.between,
        taps=7,
        dilation=unit.wide.dilation,
    )
    out = convolve(
        f"narrow_{channels}",
        Plane.of(middle),
        unit.narrow.weight,
        unit.narrow.bias,
        following,
        taps=1,
        x=x,
        x_out=x if keep_x else None,
    )
    return Plane.of(out)


def apply_last_unit(s: Plane, x: Plane, unit: Unit, following: Snake, last: Tensor) -> Tensor:
    """The last unit and the final convolution's taps: [songs, time, 16], column 2 * tap + channel."""
    songs, time, _ = s.shape
    taps = torch.empty(songs, time, 16, device=last.device, dtype=torch.float32)
    _launch_unit(s, x, unit, following, keep_x=False, out=taps, last=last)
    return taps


def _launch_unit(
    s: Plane, x: Plane, unit: Unit, following: Snake, *, keep_x: bool, out: Tensor, last: Tensor | None
) -> None:
    songs, time, channels = s.shape
    tile = UNIT_TILES[channels]
    x_io = x.described(tile.rows, channels)
    unit_kernel[(triton.cdiv(time, tile.rows), songs)](
        s.described(tile.rows, tile.depth),
        TensorDescriptor.from_tensor(unit.wide.weight, [tile.depth, channels]),
        TensorDescriptor.from_tensor(unit.narrow.weight, [channels, channels]),
        x_io,
        Plane.of(out).described(tile.rows, channels) if last is None else x_io,
        out,
        TensorDescriptor.from_tensor(last, [channels, TAPS_WIDE]) if last is not None else x_io,
        time,
        unit.wide.bias,
        unit.between.alpha,
        unit.between.inverse_beta,
        unit.narrow.bias,
        following.alpha,
        following.inverse_beta,
        CHANNELS=channels,
        DILATION=unit.wide.dilation,
        ROWS=tile.rows,
        DEPTH=tile.depth,
        STORE_X=keep_x,
        LAST=last is not None,
        LAST_COLUMNS=TAPS_WIDE,
        STAGES=tile.stages,
        num_warps=tile.warps,
    )


def decode(network: Network, latents: Tensor) -> Tensor:
    """Decode: latents [songs, time, channels] -> waves [songs, 2, time * hop] in float32."""
    stages = network.stages
    first = network.first
    start = Plane.of(latents.contiguous())
    s = Plane.of(convolve("first", start, first.weight, first.bias, stages[0].before, taps=7))
    taps = None
    for number, stage in enumerate(stages):
        x, s = upsample(s, stage.up, stage.units[0].before)
        final = number == len(stages) - 1
        after = network.last_snake if final else stages[number + 1].before
        for unit, following in zip(stage.units[:2], stage.units[1:], strict=True):
            s = apply_unit(s, x, unit, following.before, keep_x=True)
        if final:
            taps = apply_last_unit(s, x, stage.units[2], after, network.last)
        else:
            s = apply_unit(s, x, stage.units[2], after, keep_x=False)
    if taps is None:
        raise ValueError("this decoder has no stages")
    return sum_taps(taps)


def sum_taps(taps: Tensor) -> Tensor:
    """Shift and sum the final convolution's taps: [songs, time, 16] -> [songs, 2, time]."""
    songs, time, _ = taps.shape
    wave = torch.empty(songs, 2, time, device=taps.device, dtype=torch.float32)
    sum_taps_kernel[(triton.cdiv(time, 512), songs)](taps, wave, time, ROWS=512)
    return wave
