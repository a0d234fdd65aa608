"""Fold sum pooling into the convolution or dense layer behind it, which neither Lava nor netx can do without."""

from dataclasses import replace

import numpy as np

from deploy import grid
from deploy.network import Array, Conv, Dense, Flatten, FloatNeuron, Network, Node, Shape, SumPool
from deploy.passes.edits import bypass, only_source

Changes = dict[str, Node]


def fold_pooling(network: Network) -> Network:
    """Replace pooling and the synapses behind it by synapses that sum over its windows themselves.

    A window of k x k at stride s before a kernel K at stride S, dilation D, padding P is a kernel of (K - 1) D s + k at
    stride S s and padding P s + p: each weight repeated over its window, overlaps added. Into a dense layer behind a
    Flatten each weight is repeated over its window. Before float neurons pooling is a convolution of ones itself.

    Requires: nothing. Ensures: the same sums; on the grid the same integers, else float32 weights rounded once where
    windows overlap. Pooling stays where one convolution cannot say it: where the zeros with which the convolution pads
    stand in for pixels that pooling dropped (17 pooled by 2 is 8, one row dropped, then padding 1), or where a sum of
    weights leaves the grid.
    """
    for name, node in list(network.nodes.items()):
        if isinstance(node, SumPool):
            if all(isinstance(network.nodes[target], FloatNeuron) for target in network.targets(name)):
                network = network.replace(nodes={**network.nodes, name: _as_conv(node, network.shapes[name][0])})
                continue
            changes = _fold(network, name, node)
            if changes is not None:
                network = bypass(network, name, changes)
    return network


def _fold(network: Network, name: str, pool: SumPool) -> Changes | None:
    before, after = network.shapes[network.sources(name)[0]], network.shapes[name]
    changes: Changes = {}
    for target in network.targets(name):
        node = network.nodes[target]
        if not only_source(network, target, name):
            return None
        match node:
            case Conv() if _pads_with_nothing(pool, node, before[1:], after[1:], network.shapes[target][1:]):
                changes[target] = _into_conv(pool, node)
            case Flatten():
                for dense_name in network.targets(target):
                    dense = network.nodes[dense_name]
                    if not isinstance(dense, Dense) or not only_source(network, dense_name, target):
                        return None
                    changes[dense_name] = _into_dense(pool, dense, before, after)
            case _:
                return None
    return changes if all(_fits(node) for node in changes.values()) else None


def _as_conv(pool: SumPool, channels: int) -> Conv:
    """Pooling as a convolution of ones, one group a channel."""
    weight = np.ones((channels, 1, *pool.kernel), np.float32)
    return Conv(weight=weight, stride=pool.stride, padding=pool.padding, groups=channels)


def _pads_with_nothing(pool: SumPool, conv: Conv, before: Shape, after: Shape, out: Shape) -> bool:
    """Whether the windows that the convolution's padding stands for lie outside the image, on both axes."""
    for axis in (0, 1):
        k, s, p = pool.kernel[axis], pool.stride[axis], pool.padding[axis]
        padding, taps = conv.padding[axis], conv.weight.shape[2 + axis]
        last = (out[axis] - 1) * conv.stride[axis] + (taps - 1) * conv.dilation[axis] - padding
        if padding > 0 and k > s + p:
            return False
        if last >= after[axis] and after[axis] * s - p < before[axis]:
            return False
    return True


def _into_conv(pool: SumPool, conv: Conv) -> Conv:
    taps = conv.weight.shape[2:]
    steps = [d * s for d, s in zip(conv.dilation, pool.stride, strict=True)]
    size = [(n - 1) * step + k for n, step, k in zip(taps, steps, pool.kernel, strict=True)]
    weight = np.zeros((*conv.weight.shape[:2], *size), _wide(conv.weight))
    rows, columns = ((n - 1) * step + 1 for n, step in zip(taps, steps, strict=True))
    for y in range(pool.kernel[0]):
        for x in range(pool.kernel[1]):
            weight[:, :, y : y + rows : steps[0], x : x + columns : steps[1]] += conv.weight
    return replace(
        conv,
        weight=weight.astype(conv.weight.dtype),
        stride=(conv.stride[0] * pool.stride[0], conv.stride[1] * pool.stride[1]),
        padding=tuple(P * s + p for P, s, p in zip(conv.padding, pool.stride, pool.padding, strict=True)),
        dilation=(1, 1),
    )


def _into_dense(pool: SumPool, dense: Dense, before: tuple[int, ...], after: tuple[int, ...]) -> Dense:
    """Scatter each weight over its window in a padded image, then cut the padding off."""
    (height, width), (rows, columns) = before[1:], after[1:]
    (p, q), (s, t) = pool.padding, pool.stride
    outputs = dense.weight.shape[0]
    small = dense.weight.reshape(outputs, *after)
    padded = np.zeros((outputs, before[0], height + 2 * p, width + 2 * q), _wide(dense.weight))
    for y in range(pool.kernel[0]):
        for x in range(pool.kernel[1]):
            padded[:, :, y : y + (rows - 1) * s + 1 : s, x : x + (columns - 1) * t + 1 : t] += small
    weight = padded[:, :, p : p + height, q : q + width].reshape(outputs, -1)
    return replace(dense, weight=weight.astype(dense.weight.dtype))


def _wide(weight: Array) -> type:
    return np.int64 if np.issubdtype(weight.dtype, np.integer) else np.float64


def _fits(node: Node) -> bool:
    """On the grid, whether summed weights can still be held."""
    assert isinstance(node, Conv | Dense)
    return not np.issubdtype(node.weight.dtype, np.integer) or grid.weights_on_grid(node.weight)
