"""The Oobleck decoder in Triton: channels last, convolutions as products over taps, snake in their epilogues.

Decoding eagerly spends most of its time moving activations (706 million at 60 s, each read about twelve times
a residual unit) and turning layouts. Here every tensor is [batch, time, channels], and one kernel
  loads   s = snake(x), by the bulk copy engine, shifted for each tap; rows outside the song read as zero,
          which is the convolution's padding,
  computes the convolution, a transposed one as two taps with stride * channels columns,
  stores  x, for the residual, and s = snake(x), which the next convolution reads.
At 128 and 256 channels one kernel is a whole residual unit; the last of them also computes the final
convolution's taps, which a second kernel shifts and sums.

Model: `OobleckDecoder` of diffusers (Stable Audio's autoencoder, Evans et al. 2024, arXiv:2402.04825).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.tools.tensor_descriptor import TensorDescriptor

from tasks.engines.acestep.vae_weights import TAPS_WIDE, Network, Snake, Unit, Upsampling

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


@triton.jit
def _snake(y, alpha, inverse_beta):  # type: ignore[no-untyped-def]
    sine = tl.inline_asm_elementwise(
        "sin.approx.f32 $0, $1;", "=f,f", [alpha * y], dtype=tl.float32, is_pure=True, pack=1
    )
    return y + inverse_beta * sine * sine


@triton.jit(do_not_specialize=["row_tiles", "column_tiles"])
def _convolve(  # type: ignore[no-untyped-def]
    s_in,
    weight,
    x_in,
    x_out,
    s_out,
    bias,
    alpha,
    inverse_beta,
    row_tiles,
    column_tiles,
    CHANNELS: tl.constexpr,
    TAPS: tl.constexpr,
    DILATION: tl.constexpr,
    OFFSET: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    GROUPED: tl.constexpr,
    RESIDUAL: tl.constexpr,
    STORE_X: tl.constexpr,
    STAGES: tl.constexpr,
):
    program = tl.program_id(0)
    song = tl.program_id(1)
    width = GROUPED * column_tiles
    first = program // width * GROUPED
    size = tl.minimum(row_tiles - first, GROUPED)
    row = (first + (program % width) % size) * ROWS
    column = ((program % width) // size) * COLUMNS
    acc = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    CHUNKS: tl.constexpr = CHANNELS // DEPTH
    for at in tl.range(0, TAPS * CHUNKS, num_stages=STAGES):
        tap = at // CHUNKS
        depth = (at % CHUNKS) * DEPTH
        part = s_in.load([song, row + OFFSET + tap * DILATION, depth]).reshape(ROWS, DEPTH)
        acc = tl.dot(part, weight.load([at * DEPTH, column]), acc)
    columns = column + tl.arange(0, COLUMNS)
    y = acc + tl.load(bias + columns)[None, :]
    if RESIDUAL:
        y = y + x_in.load([song, row, column]).reshape(ROWS, COLUMNS).to(tl.float32)
    if STORE_X:
        x_out.store([song, row, column], y.to(x_out.dtype).reshape(1, ROWS, COLUMNS))
    s = _snake(y, tl.load(alpha + columns)[None, :], tl.load(inverse_beta + columns)[None, :])
    s_out.store([song, row, column], s.to(s_out.dtype).reshape(1, ROWS, COLUMNS))


@triton.jit(do_not_specialize=["time"])
def _unit(  # type: ignore[no-untyped-def]
    s_in,
    weight_wide,
    weight_narrow,
    x_io,
    s_out,
    taps_out,
    weight_last,
    time,
    bias_wide,
    alpha_mid,
    inverse_beta_mid,
    bias_narrow,
    alpha_next,
    inverse_beta_next,
    CHANNELS: tl.constexpr,
    DILATION: tl.constexpr,
    ROWS: tl.constexpr,
    DEPTH: tl.constexpr,
    STORE_X: tl.constexpr,
    LAST: tl.constexpr,
    LAST_COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    row = tl.program_id(0) * ROWS
    song = tl.program_id(1)
    acc = tl.zeros((ROWS, CHANNELS), dtype=tl.float32)
    CHUNKS: tl.constexpr = CHANNELS // DEPTH
    for at in tl.range(0, 7 * CHUNKS, num_stages=STAGES):
        tap = at // CHUNKS
        depth = (at % CHUNKS) * DEPTH
        part = s_in.load([song, row + (tap - 3) * DILATION, depth]).reshape(ROWS, DEPTH)
        acc = tl.dot(part, weight_wide.load([at * DEPTH, 0]), acc)
    columns = tl.arange(0, CHANNELS)
    h = acc + tl.load(bias_wide + columns)[None, :]
    h = _snake(h, tl.load(alpha_mid + columns)[None, :], tl.load(inverse_beta_mid + columns)[None, :])
    y = tl.dot(h.to(s_in.dtype), weight_narrow.load([0, 0]))
    y = y + tl.load(bias_narrow + columns)[None, :]
    y = y + x_io.load([song, row, 0]).reshape(ROWS, CHANNELS).to(tl.float32)
    if STORE_X:
        # in place: a program reads and writes only its own rows of x
        x_io.store([song, row, 0], y.to(x_io.dtype).reshape(1, ROWS, CHANNELS))
    s = _snake(y, tl.load(alpha_next + columns)[None, :], tl.load(inverse_beta_next + columns)[None, :])
    s = s.to(s_in.dtype)
    if LAST:
        product = tl.dot(s, weight_last.load([0, 0]))
        rows = row + tl.arange(0, ROWS)
        used = tl.arange(0, LAST_COLUMNS)
        where = taps_out + (song.to(tl.int64) * time + rows)[:, None] * 16 + used[None, :]
        tl.store(where, product, mask=(rows < time)[:, None] & (used < 16)[None, :])
    else:
        s_out.store([song, row, 0], s.reshape(1, ROWS, CHANNELS))


@triton.jit(do_not_specialize=["time"])
def _sum_taps(taps, wave, time, ROWS: tl.constexpr):  # type: ignore[no-untyped-def]
    """Shift and sum: wave[channel, t] is the sum over taps of taps[t + tap - 3, 2 * tap + channel]."""
    song = tl.program_id(1).to(tl.int64)
    t = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, 2)
    acc = tl.zeros((ROWS, 2), dtype=tl.float32)
    for tap in tl.static_range(7):
        row = t + (tap - 3)
        where = taps + song * time * 16 + row[:, None] * 16 + 2 * tap + channel[None, :]
        acc += tl.load(where, mask=(row >= 0)[:, None] & (row < time)[:, None], other=0.0)
    where = wave + song * time * 2 + channel[None, :] * time + t[:, None]
    tl.store(where, acc, mask=(t < time)[:, None])


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
    _convolve[(row_tiles * column_tiles, songs)](
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
    _unit[(triton.cdiv(time, tile.rows), songs)](
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
    _sum_taps[(triton.cdiv(time, 512), songs)](taps, wave, time, ROWS=512)
    return wave
