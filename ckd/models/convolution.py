"""Convolutions of spikes on a CPU: only what is there is multiplied, or, where much is there, Winograd's products."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_input, conv2d_weight

from ckd.events.types import Float
from ckd.models import sparse_kernels as sparse
from ckd.models import winograd_kernels as winograd
from ckd.models.block import Source
from ckd.models.input_kernels import events
from ckd.models.precision import kernels_fit

DENSE_FROM, DENSE_FROM_WINOGRAD = 0.2, 0.08
"""Share of inputs that are not zero, from which on all of them are multiplied: that is then the faster (measured)."""
DENSE_FROM_FEW = 0.5
"""The same of a forward pass from less than `FEW` channels, which no dense convolution is made for."""
FEW = 16
SAMPLE = 16
"""One image of so many is looked at to tell how much is there."""


class Ways(NamedTuple):
    """How the sums of a convolution are made; torch makes those that are left."""

    sparse: bool
    """The forward pass: only what is there is multiplied."""
    weight_sparse: bool
    """The gradient of the weights, the same."""
    winograd: bool
    """What is not made like that, and the gradient of the input."""


def convolve(x: Tensor, conv: nn.Module) -> Tensor:
    """What `conv` makes of x (N, C, H, W), up to the order of its sums, forward and backward.

    Which way is taken depends on the share of x that is not zero: on the data alone, so a run is repeatable.
    """
    if not (isinstance(conv, nn.Conv2d) and _can(x, conv)):
        return conv(x)
    ways = _ways(x, conv)
    if not any(ways):
        return conv(x)
    return _Convolution.apply(x, conv.weight, conv.stride[0], conv.padding[0], ways)  # type: ignore[misc]


def convolve_first(x: Tensor, conv: nn.Module) -> tuple[Tensor, Source] | None:
    """The same without a gradient, which `normed_spikes` makes up for; None where that cannot be, or is not faster."""
    if not (torch.is_grad_enabled() and not x.requires_grad and isinstance(conv, nn.Conv2d) and _can(x, conv)):
        return None
    ways = _ways(x, conv)
    fits = conv.weight.requires_grad and conv.stride == (1, 1) and conv.out_channels in sparse.LANES
    if not (ways.sparse and fits and conv.in_channels < FEW):
        return None
    images = _last(x)
    _, _, height, width = conv.weight.shape
    window, listed = sparse.Window(height, width, 1, int(conv.padding[0])), sparse.list_images(images)
    y = _first(sparse.convolve(images, listed, _weights_last(conv.weight), window))
    return y, Source(conv.weight, events(listed, images.shape[1:], window))


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
        and conv.out_channels % sparse.LANES[-1] == 0
    )


def _ways(x: Tensor, conv: nn.Conv2d) -> Ways:
    channels, forms = conv.in_channels, (conv.kernel_size, conv.stride)
    share = float(x.detach()[::SAMPLE].count_nonzero()) / x[::SAMPLE].numel()
    known = winograd.USABLE and forms == ((3, 3), (1, 1)) and channels % sparse.LANES[-1] == 0
    dense_from = DENSE_FROM_WINOGRAD if known else DENSE_FROM
    little = share < (DENSE_FROM_FEW if channels < FEW else dense_from)
    return Ways(little, little and channels >= FEW and conv.stride == (1, 1), known)


class _Convolution(torch.autograd.Function):
    """Where possible, only what is not zero of the input is kept for the way back. The gradient of the input is made of
    all places: batch norm gives every place of the output a gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int, ways: Ways) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.window = sparse.Window(weight.shape[2], weight.shape[3], stride, padding)
        ctx.shape, ctx.ways, ctx.listed = x.shape, ways, None
        listed = sparse.list_images(_last(x)) if ways.sparse else None
        if ctx.needs_input_grad[1] and ways.weight_sparse:
            ctx.listed = listed
        ctx.save_for_backward(weight, x if ctx.listed is None and ctx.needs_input_grad[1] else x.new_empty(0))
        if listed is not None:
            return _first(sparse.convolve(_last(x), listed, _weights_last(weight), ctx.window))
        if ways.winograd:
            return _first(winograd.convolve(_last(x), weight.detach().numpy(), padding))
        return torch.conv2d(x, weight, None, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        weight, x = ctx.saved_tensors
        window, (dx_wanted, dw_wanted, *_) = ctx.window, ctx.needs_input_grad
        dx = dw = None
        if dx_wanted and ctx.ways.winograd:
            dx = _first(winograd.convolve(_last(dy), weight.detach().numpy(), window.padding, back=True))
        elif dx_wanted:
            dx = conv2d_input(ctx.shape, weight, dy, window.stride, window.padding)
        if dw_wanted and ctx.listed is not None:
            found = sparse.weight_gradient(ctx.shape, ctx.listed, _last(dy), window)
            dw = torch.from_numpy(found).permute(3, 2, 0, 1)
        elif dw_wanted and ctx.ways.winograd:
            dw = torch.from_numpy(winograd.weight_gradient(_last(x), _last(dy), window.padding))
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
