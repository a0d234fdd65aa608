"""What nodes compute, in plain numpy: slow, obvious, and none of it the product's.

The simulations in reference.py, plain.py and nir_euler.py are made of it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.network import Conv, Dense, Flatten, Node, Scale, SumPool

Array = NDArray[Any]
Pair = tuple[int, int]
STATE_MAX = (1 << 23) - 1


def correlate(
    x: Array,
    weight: Array,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    sides: tuple[Pair, Pair] = ((0, 0), (0, 0)),
    groups: int = 1,
) -> Array:
    """Cross-correlation of x (R, C, H, W), one place of the output at a time.

    Args:
        sides: zeros added above and below, left and right.
    """
    outputs, per_group, *kernel = weight.shape
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padded = np.pad(x, ((0, 0), (0, 0), *sides))
    height, width = ((n - span) // s + 1 for n, span, s in zip(padded.shape[2:], spans, stride, strict=True))
    out = np.zeros((len(x), outputs, height, width), np.result_type(x, weight))
    grouped = weight.reshape(groups, outputs // groups, per_group, *kernel)
    for i in range(height):
        for j in range(width):
            rows, columns = (
                slice(place * s, place * s + span, d)
                for place, s, span, d in zip((i, j), stride, spans, dilation, strict=True)
            )
            seen = padded[:, :, rows, columns].reshape(len(x), groups, per_group, *kernel)
            out[:, :, i, j] = np.einsum("rgcij,gocij->rgo", seen, grouped).reshape(len(x), outputs)
    return out


def apply(node: Node, x: Array) -> Array:
    """What a node without state makes of x (R, ...)."""
    match node:
        case Dense():
            y = _shifted(x @ node.weight.T, node.weight_exp)
            return y if node.bias is None else y + node.bias
        case Conv():
            sides = _both(node.padding)
            y = correlate(x, node.weight, stride=node.stride, dilation=node.dilation, sides=sides, groups=node.groups)
            y = _shifted(y, node.weight_exp)
            return y if node.bias is None else y + node.bias[:, None, None]
        case SumPool():
            channels = x.shape[1]
            ones = np.ones((channels, 1, *node.kernel), np.int64)
            return correlate(x, ones, stride=node.stride, sides=_both(node.padding), groups=channels)
        case Flatten():
            return x.reshape(len(x), -1)
        case Scale():
            return x * node.factor
        case _:
            return x


def current(u: Array, a: Array, du: Array) -> Array:
    """The current of a neuron on the grid after a step, before it wraps."""
    return _toward_zero(u * (4096 - (du + 1))) + (a << 6)


def wrapped(u: Array) -> Array:
    """What 24 bits hold of a current."""
    return (u + (1 << 23)) % (1 << 24) - (1 << 23)


def voltage(v: Array, u: Array, bias: Array, dv: Array) -> Array:
    """The potential of a neuron on the grid after a step, before it saturates and spikes."""
    return _toward_zero(v * (4096 - dv)) + u + bias


def saturated(v: Array) -> Array:
    return np.clip(v, -STATE_MAX, STATE_MAX)


def _toward_zero(x: Array) -> Array:
    return np.sign(x) * (np.abs(x) >> 12)


def _shifted(a: Array, exponent: int) -> Array:
    if not exponent:  # floats cannot be shifted
        return a
    return a << exponent if exponent > 0 else a >> -exponent


def _both(padding: Pair) -> tuple[Pair, Pair]:
    (vertical, horizontal) = padding
    return (vertical, vertical), (horizontal, horizontal)
