"""The Oobleck decoder's weights as matrices: what the kernels of `vae_triton` multiply by.

A convolution is a product over taps; a transposed one of kernel 2 * stride is two taps that make `stride`
rows each. Weight norm is folded in, and diffusers' modules stay as they are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

TAPS_WIDE = 64
"""Columns of the final convolution's product. 14 are used; with 16 or 32 Triton 3.6 computed wrong values on
the H100 without an error, which is why `tests/gpu/test_vae.py` checks every kernel."""


def folded(module: Any) -> Tensor:
    """A convolution's weight in float32, from its weight norm's direction and length where it has them.

    Not `module.weight`: torch brings that up to date only when the module runs, so that right after a
    checkpoint is loaded it is still that of the random start.
    """
    if not hasattr(module, "weight_g"):
        return module.weight.detach().float()
    return torch._weight_norm(module.weight_v.detach().float(), module.weight_g.detach().float(), 0)


class Snake(NamedTuple):
    """x + sin(alpha x)^2 / beta, a channel each."""

    alpha: Tensor
    inverse_beta: Tensor

    @classmethod
    def of(cls, module: Any) -> Snake:
        """Read one of diffusers' Snake1d, which keeps logarithms."""
        beta = torch.exp(module.beta.detach().float()) + 1e-9
        alpha = torch.exp(module.alpha.detach().float())
        return cls(alpha.flatten().contiguous(), beta.reciprocal().flatten().contiguous())

    def repeated(self, times: int) -> Snake:
        """For the columns of a transposed convolution."""
        return Snake(self.alpha.repeat(times), self.inverse_beta.repeat(times))


class Convolution(NamedTuple):
    """A convolution as a product: weight [taps * channels in, columns], bias [columns] in float32."""

    weight: Tensor
    bias: Tensor
    dilation: int = 1

    @classmethod
    def of(cls, module: nn.Conv1d, dtype: torch.dtype) -> Convolution:
        """Read a convolution; its weight norm is folded in."""
        weight = folded(module)
        bias = torch.zeros(weight.shape[0], device=weight.device) if module.bias is None else module.bias
        flat = weight.permute(2, 1, 0).reshape(-1, weight.shape[0]).to(dtype).contiguous()
        return cls(flat, bias.detach().float().contiguous(), module.dilation[0])


class Upsampling(NamedTuple):
    """A transposed convolution as two taps: the row before gives the later phases, this row the earlier."""

    weight: Tensor
    bias: Tensor
    stride: int
    padding: int
    channels: int

    @classmethod
    def of(cls, module: nn.ConvTranspose1d, dtype: torch.dtype) -> Upsampling:
        """Read a transposed convolution of kernel 2 * stride."""
        weight = folded(module)
        inside, outside, kernel = weight.shape
        stride = kernel // 2
        halves = [weight[:, :, stride:], weight[:, :, :stride]]
        flat = torch.cat([half.permute(0, 2, 1).reshape(inside, stride * outside) for half in halves])
        if module.bias is None:
            raise ValueError("the decoder's transposed convolutions have biases in every ACE-Step model")
        bias = module.bias.detach().float().repeat(stride)
        return cls(flat.to(dtype).contiguous(), bias, stride, int(module.padding[0]), outside)


class Unit(NamedTuple):
    """A residual unit: snake, wide convolution, snake, narrow convolution, sum."""

    before: Snake
    wide: Convolution
    between: Snake
    narrow: Convolution


class Stage(NamedTuple):
    """One doubling (or more) of the rate, and its three units."""

    before: Snake
    up: Upsampling
    units: list[Unit]


class Network(NamedTuple):
    """The whole decoder's weights."""

    first: Convolution
    stages: list[Stage]
    last_snake: Snake
    last: Tensor  # [channels, TAPS_WIDE]; column 2 * tap + channel


def read(decoder: Any, dtype: torch.dtype) -> Network:
    """Read diffusers' decoder. Its weight norm is folded in; the module itself stays as it is."""

    def unit(module: Any) -> Unit:
        wide, narrow = Convolution.of(module.conv1, dtype), Convolution.of(module.conv2, dtype)
        return Unit(Snake.of(module.snake1), wide, Snake.of(module.snake2), narrow)

    def stage(block: Any) -> Stage:
        units = [unit(module) for module in (block.res_unit1, block.res_unit2, block.res_unit3)]
        return Stage(Snake.of(block.snake1), Upsampling.of(block.conv_t1, dtype), units)

    final = folded(decoder.conv2)  # [2, channels, 7]
    last = torch.zeros(final.shape[1], TAPS_WIDE, device=final.device)
    last[:, :14] = final.permute(1, 2, 0).reshape(final.shape[1], 14)
    return Network(
        first=Convolution.of(decoder.conv1, dtype),
        stages=[stage(block) for block in decoder.block],
        last_snake=Snake.of(decoder.snake1),
        last=last.to(dtype).contiguous(),
    )
