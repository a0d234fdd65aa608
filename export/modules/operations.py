"""What the operations that are followed compute, as PyTorch's own functions are called: their arguments, made plain.

Each function here takes a `Reach` and the arguments of the call, and gives the parameters of a `Call`, or None where
there is nothing to compute.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deploy.network import Array
from export.modules.refusal import ModuleRefusedError

Parameters = dict[str, Any]


def numbers(tensor: Tensor | float | int | None) -> Array | None:
    """A constant as float32."""
    return None if tensor is None else torch.as_tensor(tensor).detach().to(torch.float32).cpu().numpy()


def pair(value: int | tuple[int, ...] | list[int], axes: int) -> tuple[int, ...]:
    """One number an axis, from one for all; of one axis, (1, n) as for an image of height 1."""
    full = (int(value),) * axes if isinstance(value, int) else tuple(int(v) for v in value)
    full = full * axes if len(full) == 1 else full
    return full if axes == 2 else (1, *full)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Parameters:
    return {"weight": numbers(weight), "bias": numbers(bias)}


def matmul(x: Tensor, other: Tensor) -> Parameters:
    if other.ndim != 2:
        raise ModuleRefusedError(f"a product with a tensor of shape {tuple(other.shape)}; use nn.Linear")
    return {"weight": numbers(other.T), "bias": None}


def conv(axes: int) -> Callable[..., Parameters]:
    def parameters(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Parameters:
        kernel = weight.shape[2:]
        spread = pair(dilation, axes)
        if padding == "valid":
            padding = 0
        elif padding == "same":
            spans = [d * (k - 1) for d, k in zip(spread[-axes:], kernel, strict=True)]
            if any(span % 2 for span in spans):
                raise ModuleRefusedError("padding 'same' of an even kernel pads unevenly; use an odd kernel")
            padding = [span // 2 for span in spans]
        weights = numbers(weight)
        assert weights is not None
        flat = (0,) if axes == 1 else ()
        return {
            "weight": weights[:, :, None] if axes == 1 else weights,
            "bias": numbers(bias),
            "stride": pair(stride, axes),
            "padding": (*flat, *pair(padding, axes)[-axes:]),
            "dilation": spread,
            "groups": groups,
        }

    return parameters


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    """The factor and the shift of each channel, (C, 1, ...) against x (N, C, ...)."""
    if training or running_mean is None or running_var is None:
        raise ModuleRefusedError("a batch norm that takes its statistics from the batch; give it running statistics")
    factor = 1 / torch.sqrt(running_var.double() + eps)
    if weight is not None:
        factor = factor * weight.double()
    shift = -running_mean.double() * factor
    if bias is not None:
        shift = shift + bias.double()
    shape = (-1, *(1,) * (x.ndim - 2))
    return factor.reshape(shape), shift.reshape(shape)


def average(axes: int) -> Callable[..., Parameters]:
    def parameters(
        x: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Parameters:
        window = _window(x, axes, kernel_size, stride, padding, ceil_mode)
        if any(window["padding"]) and not count_include_pad:
            raise ModuleRefusedError("average pooling that leaves its padding out; use count_include_pad=True")
        return window | {"factor": 1 / (divisor_override or int(np.prod(window["kernel"])))}

    return parameters


def adaptive_average(x: Tensor, output_size: Any) -> Parameters:
    size = x.shape[-2:]
    wanted = [n if w is None else int(w) for w, n in zip(_two(output_size), size, strict=True)]
    if any(n % w for n, w in zip(size, wanted, strict=True)):
        raise ModuleRefusedError(f"adaptive pooling of {tuple(size)} to {tuple(wanted)}, which has uneven windows")
    kernel = [n // w for n, w in zip(size, wanted, strict=True)]
    return _window(x, 2, kernel, None, 0, False) | {"factor": 1 / int(np.prod(kernel))}


def power(x: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Parameters:
    """Pooling by powers; of power 1 over spikes it is a sum."""
    if norm_type != 1:
        raise ModuleRefusedError(f"pooling by powers of {norm_type}; norm_type=1, a sum, can be followed")
    return _window(x, 2, kernel_size, stride, 0, ceil_mode) | {"factor": 1.0}


def maximum(axes: int) -> Callable[..., Parameters]:
    def parameters(
        x: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Parameters:
        if any(d != 1 for d in pair(dilation, axes)) or return_indices:
            raise ModuleRefusedError("max pooling with dilation or indices; use it without")
        return _window(x, axes, kernel_size, stride, padding, ceil_mode)

    return parameters


def _window(x: Tensor, axes: int, kernel: Any, stride: Any, padding: Any, ceil_mode: bool) -> Parameters:
    k = pair(kernel, axes)
    s = k if stride is None or stride == [] else pair(stride, axes)
    p = pair(padding, axes) if axes == 2 else (0, *pair(padding, axes)[1:])
    sizes = x.shape[-axes:]
    ragged = any((n + 2 * q - w) % t for n, q, w, t in zip(sizes, p[-axes:], k[-axes:], s[-axes:], strict=True))
    if ceil_mode and ragged:
        raise ModuleRefusedError(f"pooling of {tuple(sizes)} with ceil_mode, whose last windows are cut; pad instead")
    return {"kernel": k, "stride": s, "padding": p}


def _two(value: Any) -> tuple[Any, Any]:
    return (value, value) if isinstance(value, int) or value is None else tuple(value)  # pyright: ignore
