"""Rounding onto the grid that gradients pass through: straight-through, Bengio et al. 2013, arXiv 1308.3432."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from deploy import grid


class Rounding(NamedTuple):
    """How one synapse's float weights become integers and its sums are shifted."""

    exponent: int
    scale: float
    weight_bits: int

    def weight(self, weight: Tensor) -> Tensor:
        """The nearest weights on the grid; the gradient passes where they do not saturate."""
        low, high = float(weight.detach().min()), float(weight.detach().max())
        unit, step = self.scale / 2.0**self.exponent, grid.weight_step(low, high, self.weight_bits)
        inside = (weight * unit).clamp(*grid.weight_range(low, high, self.weight_bits))
        return StraightThrough.apply(inside, (inside / step).round() * step)  # type: ignore[return-value]

    def shifted(self, sums: Tensor) -> Tensor:
        """Sums times 2^exponent, rounded down, as the chip shifts them."""
        exact = sums * 2.0**self.exponent
        return exact if self.exponent >= 0 else StraightThrough.apply(exact, exact.floor())  # type: ignore[return-value]


class StraightThrough(torch.autograd.Function):
    """Gives `value`, bit for bit, and passes the gradient on to `x`."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, value: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return value.to(x.dtype)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return grad, None


def round_bias(bias: Tensor, state: float) -> Tensor:
    """Biases as int64, as the chip holds them: mantissa << exponent. `state`: units of potential in one float unit."""
    mantissa, exponent = grid.split_bias(bias.detach().double().cpu().numpy() * state)
    return torch.from_numpy(np.asarray(mantissa << exponent)).to(bias.device)
