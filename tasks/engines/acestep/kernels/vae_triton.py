"""The Oobleck decoder's kernels in Triton: convolutions as products over taps, snake in their epilogues.

Activations are [batch, time, channels]. A kernel
  loads   s = snake(x), by the bulk copy engine, shifted for each tap; rows outside the song read as zero,
          which is the convolution's padding,
  computes the convolution, a transposed one as two taps with stride * channels columns,
  stores  x, for the residual, and s = snake(x), which the next convolution reads.
`unit_kernel` is a whole residual unit; the last of them also computes the final convolution's taps, which
`sum_taps_kernel` shifts and sums.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _snake(y, alpha, inverse_beta):  # type: ignore[no-untyped-def]
    sine = tl.inline_asm_elementwise(
        "sin.approx.f32 $0, $1;", "=f,f", [alpha * y], dtype=tl.float32, is_pure=True, pack=1
    )
    return y + inverse_beta * sine * sine


@triton.jit(do_not_specialize=["row_tiles", "column_tiles"])
def convolve_kernel(  # type: ignore[no-untyped-def]
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
    """One convolution: s_out = snake(y), and x_out = y where wanted, of y = product + bias (+ x_in)."""
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
def unit_kernel(  # type: ignore[no-untyped-def]
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
    """One residual unit: wide convolution, snake, narrow one, sum with x_io; the last one's taps too."""
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
def sum_taps_kernel(taps, wave, time, ROWS: tl.constexpr):  # type: ignore[no-untyped-def]
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
