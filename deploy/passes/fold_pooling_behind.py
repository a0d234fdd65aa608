"""Fold sum pooling into the convolution in front of it, as in a network that pools currents before its neurons."""

from dataclasses import replace

import numpy as np

from deploy.network import Conv, Network, SumPool
from deploy.passes.edits import bypass, only_source, recurrent


def fold_pooling_behind(network: Network) -> Network:
    """Replace a convolution and the pooling behind it by one convolution that sums over the windows itself.

    A kernel K at stride S, dilation D and padding P, pooled over k x k at stride s, is a kernel of
    (K - 1) D + (k - 1) S + 1 at stride S s and padding P: each weight repeated at distances of S, overlaps added. The
    bias is added once a tap.

    Requires: a float network. Ensures: the same sums, weights rounded to their type once. Pooling stays where it pads,
    or where something else meets it or the convolution's output.
    """
    for name, node in network.nodes.items():
        if not isinstance(node, SumPool) or any(node.padding) or recurrent(network, name):
            continue
        source = network.sources(name)[0]
        conv = network.nodes[source]
        alone = only_source(network, name, source) and network.targets(source) == [name]
        if alone and isinstance(conv, Conv) and np.issubdtype(conv.weight.dtype, np.floating):
            network = bypass(network, name, {source: _pooled(conv, node)})
    return network


def _pooled(conv: Conv, pool: SumPool) -> Conv:
    taps, (rows, columns), (s, t) = conv.weight.shape[2:], conv.dilation, conv.stride
    spans = ((taps[0] - 1) * rows + 1, (taps[1] - 1) * columns + 1)
    size = (spans[0] + (pool.kernel[0] - 1) * s, spans[1] + (pool.kernel[1] - 1) * t)
    weight = np.zeros((*conv.weight.shape[:2], *size))
    for y in range(pool.kernel[0]):
        for x in range(pool.kernel[1]):
            weight[:, :, y * s : y * s + spans[0] : rows, x * t : x * t + spans[1] : columns] += conv.weight
    bias = None if conv.bias is None else (conv.bias * float(np.prod(pool.kernel))).astype(conv.bias.dtype)
    stride = (s * pool.stride[0], t * pool.stride[1])
    return replace(conv, weight=weight.astype(conv.weight.dtype), bias=bias, stride=stride, dilation=(1, 1))
