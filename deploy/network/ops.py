"""What synapses, pooling and factors do to an array, in numpy; matrix products go to BLAS."""

from math import prod

import numpy as np

from deploy.network import Array, Conv, Dense, Pair, Scale, Shape, SumPool

COLUMN_BYTES = 8 << 20
"""Unfolded windows held at once; more does not fit a cache."""


def apply(node: Dense | Conv | SumPool | Scale, x: Array) -> Array:
    """The node's output for x (N, *input shape); every type of number, results in that of x and the weights."""
    match node:
        case Dense():
            out = x @ node.weight.T
            return out if node.bias is None else out + node.bias
        case Conv():
            out = convolve(x, node)
            return out if node.bias is None else out + node.bias[:, None, None]
        case SumPool():
            return sum_windows(x, node.kernel, node.stride, node.padding)
        case Scale():
            return x * node.factor


def convolve(x: Array, node: Conv) -> Array:
    """Cross-correlation of x (N, C, H, W), without the bias: windows unfolded to columns, then one matrix product."""
    outputs, per_group, *kernel = node.weight.shape
    padded = _pad(x, node.padding)
    size = _sizes(padded.shape[2:], kernel, node.stride, node.dilation)
    weight = node.weight.reshape(node.groups, outputs // node.groups, -1)
    out = np.empty((len(x), node.groups, outputs // node.groups, prod(size)), np.result_type(x, node.weight))
    taps = x.shape[1] * prod(kernel)
    rows = max(1, COLUMN_BYTES // (taps * prod(size) * x.itemsize))
    columns = np.empty((min(rows, len(x)), x.shape[1], *kernel, *size), x.dtype)
    for start in range(0, len(x), rows):
        part = padded[start : start + rows]
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                columns[: len(part), :, i, j] = _shifted(part, (i, j), size, node.stride, node.dilation)
        folded = columns[: len(part)].reshape(len(part), node.groups, per_group * prod(kernel), prod(size))
        np.matmul(weight, folded, out=out[start : start + rows])
    return out.reshape(len(x), outputs, *size)


def sum_windows(x: Array, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """Sums over the windows of x (N, C, H, W)."""
    padded = _pad(x, padding)
    size = _sizes(padded.shape[2:], kernel, stride, (1, 1))
    total = np.zeros((*x.shape[:2], *size), x.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            total += _shifted(padded, (i, j), size, stride, (1, 1))
    return total


def _pad(x: Array, padding: Pair) -> Array:
    if padding == (0, 0):
        return x
    p, q = padding
    out = np.zeros((*x.shape[:2], x.shape[2] + 2 * p, x.shape[3] + 2 * q), x.dtype)
    out[:, :, p : p + x.shape[2], q : q + x.shape[3]] = x
    return out


def _sizes(size: Shape, kernel: list[int] | Pair, stride: Pair, dilation: Pair) -> Pair:
    rows, columns = ((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(size, kernel, stride, dilation, strict=True))
    return rows, columns


def _shifted(x: Array, tap: Pair, size: Pair, stride: Pair, dilation: Pair) -> Array:
    """What one tap of the kernel sees at every place of the output."""
    (top, left) = (t * d for t, d in zip(tap, dilation, strict=True))
    bottom, right = (n + (m - 1) * s + 1 for n, m, s in zip((top, left), size, stride, strict=True))
    return x[:, :, top : bottom : stride[0], left : right : stride[1]]
