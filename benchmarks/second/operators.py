"""What the plain simulator's nodes without a state give, each for one step."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from deploy.network import Conv, Delay, Dense, Flatten, Output, SumPool

Array = NDArray[Any]


def forward(node: Any, x: Array, past: list[Array], name: str) -> Array:
    """What a node makes of a step; past: what entered it, this step last."""
    match node:
        case Output():
            return x
        case Flatten():
            return x.reshape(-1)
        case Delay():
            past[-1] = x
            return past[-1 - node.steps] if len(past) > node.steps else np.zeros_like(x)
        case Dense():
            return scaled(node, node.weight.astype(np.int64) @ np.broadcast_to(x, node.weight.shape[1:]))
        case Conv():
            (ph, pw) = node.padding
            return convolved(node, np.pad(x, ((0, 0), (ph, ph), (pw, pw))))
        case SumPool():
            (ph, pw) = node.padding
            return _windows(np.pad(x, ((0, 0), (ph, ph), (pw, pw))), node.kernel, node.stride).sum(axis=(1, 2))
        case _:
            raise NotImplementedError(f"{name}: {type(node).__name__}")


def convolved(node: Conv, padded: Array) -> Array:
    """The convolution of a map that is padded already."""
    kernel, (dy, dx) = node.weight.shape[2:], node.dilation
    windows = _windows(padded, ((kernel[0] - 1) * dy + 1, (kernel[1] - 1) * dx + 1), node.stride)[:, ::dy, ::dx]
    weight = np.split(node.weight.astype(np.int64), node.groups)
    parts = zip(weight, np.split(windows, node.groups), strict=True)
    return scaled(node, np.concatenate([np.tensordot(w, part, 3) for w, part in parts]))


def scaled(node: Any, sums: Array) -> Array:
    return sums << node.weight_exp if node.weight_exp >= 0 else sums >> -node.weight_exp


def _windows(padded: Array, kernel: tuple[int, int], stride: tuple[int, int]) -> Array:
    """(C, kernel_h, kernel_w, H, W)."""
    sh, sw = stride
    return np.moveaxis(sliding_window_view(padded, kernel, axis=(1, 2))[:, ::sh, ::sw], (3, 4), (1, 2))
