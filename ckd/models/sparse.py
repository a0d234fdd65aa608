"""Convolutions that multiply only what is there, where most of an image is zero."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_input, conv2d_weight

from ckd.events.types import Float
from ckd.models import sparse_kernels as kernels
from ckd.models.precision import kernels_fit

DENSE_FROM = 0.2
"""Share of inputs that are not zero, from which on torch's dense convolution is the faster (measured)."""
DENSE_FROM_FEW = 0.5
"""The same of a forward pass from less than `FEW` channels, which torch's convolutions are not made for."""
FEW = 16
SAMPLE = 16
"""One image of so many is looked at to tell how much is there."""


def convolve(x: Tensor, conv: nn.Module) -> Tensor:
    """What `conv` makes of x (N, C, H, W), up to the order of its sums, forward and backward.

    Which way is taken depends on the share of x that is not zero: on the data alone, so a run is repeatable.
    """
    if not (isinstance(conv, nn.Conv2d) and _can(x, conv)):
        return conv(x)
    share = float(x.detach()[::SAMPLE].count_nonzero()) / x[::SAMPLE].numel()
    if share >= (DENSE_FROM_FEW if conv.in_channels < FEW else DENSE_FROM):
        return conv(x)
    backward = conv.in_channels >= FEW and conv.stride == (1, 1)
    return _SparseConvolution.apply(x, conv.weight, conv.stride[0], conv.padding[0], backward)  # type: ignore[misc]


def _can(x: Tensor, conv: nn.Conv2d) -> bool:
    """Whether the kernels know this convolution, and nobody watches the module."""
    padding = conv.padding
    return (
        kernels_fit(x, conv)
        and conv.weight.dtype == torch.float32
        and type(conv) is nn.Conv2d
        and conv.bias is None
        and conv.groups == 1
        and conv.dilation == (1, 1)
        and conv.stride[0] == conv.stride[1]
        and not isinstance(padding, str)
        and padding[0] == padding[1] < min(conv.kernel_size)
        and conv.padding_mode == "zeros"
        and conv.out_channels % kernels.LANES[-1] == 0
    )


class _SparseConvolution(torch.autograd.Function):
    """Of its input only what is not zero is kept for the way back. The gradient of the input is dense: batch norm gives
    every place of the output a gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int, backward: bool) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        images, listed = _last(x), kernels.list_images(_last(x))
        window = kernels.Window(weight.shape[2], weight.shape[3], stride, padding)
        ctx.window, ctx.shape, ctx.listed = window, x.shape, None
        if ctx.needs_input_grad[1] and backward:
            ctx.listed = listed
        ctx.save_for_backward(weight, x if ctx.listed is None else x.new_empty(0))
        return _first(kernels.convolve(images, listed, _weights_last(weight), window))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        weight, x = ctx.saved_tensors
        window, (dx_wanted, dw_wanted, *_) = ctx.window, ctx.needs_input_grad
        dx = conv2d_input(ctx.shape, weight, dy, window.stride, window.padding) if dx_wanted else None
        dw = None
        if dw_wanted and ctx.listed is not None:
            found = kernels.weight_gradient(ctx.shape, ctx.listed, _last(dy), window)
            dw = torch.from_numpy(found).permute(3, 2, 0, 1)
        elif dw_wanted:
            dw = conv2d_weight(x, weight.shape, dy, window.stride, window.padding)
        return dx, dw, None, None, None


def _last(x: Tensor) -> Float:
    """(N, C, H, W) as a contiguous (N, H, W, C) array."""
    return x.detach().permute(0, 2, 3, 1).contiguous().numpy()


def _first(x: Float) -> Tensor:
    return torch.from_numpy(x).permute(0, 3, 1, 2)


def _weights_last(weight: Tensor) -> Float:
    """(K, C, kernel_h, kernel_w) as a contiguous (kernel_h, kernel_w, C, K) array."""
    return weight.detach().permute(2, 3, 1, 0).contiguous().numpy()
