"""Merge linear nodes that follow each other."""

from dataclasses import replace

import numpy as np

from deploy.network import Delay, Dense, Flatten, Network, Node, Scale
from deploy.passes.edits import bypass, only_source, recurrent


def merge_linear(network: Network) -> Network:
    """Make one node of Dense and Dense, Scale and Scale, Delay and Delay, Flatten and Flatten.

    Requires: nothing; two Dense nodes are merged in float networks only, since an exponent shifts each sum on the grid.
    Ensures: the same function. Delays and Flatten: the same bits; a product of weights is formed in float64 and rounded
    once. Dense nodes are merged only where that makes no more weights than there were.
    """
    for name in list(network.nodes):
        if name not in network.nodes:
            continue
        targets = network.targets(name)
        if len(targets) != 1 or recurrent(network, name, targets[0]) or not only_source(network, targets[0], name):
            continue
        merged = _merge(network.nodes[name], network.nodes[targets[0]])
        if merged is not None:
            network = bypass(network, name, {targets[0]: merged})
    return network


def _merge(first: Node, second: Node) -> Node | None:
    match first, second:
        case Flatten(), Flatten():
            return second
        case Delay(), Delay():
            return Delay(steps=first.steps + second.steps)
        case Scale(), Scale():
            product = first.factor.astype(np.float64) * second.factor
            return Scale(factor=np.asarray(product, second.factor.dtype))
        case Dense(), Dense():
            return _product(first, second)
        case _:
            return None


def _product(first: Dense, second: Dense) -> Dense | None:
    """second(first(x)) as one layer."""
    outputs, inputs = second.weight.shape[0], first.weight.shape[1]
    integer = np.issubdtype(first.weight.dtype, np.integer) or np.issubdtype(second.weight.dtype, np.integer)
    if integer or outputs * inputs > first.weight.size + second.weight.size:
        return None
    wide = second.weight.astype(np.float64)
    bias = None if second.bias is None else second.bias.astype(np.float64)
    if first.bias is not None:
        through = wide @ first.bias
        bias = through if bias is None else bias + through
    weight = (wide @ first.weight).astype(second.weight.dtype)
    return replace(second, weight=weight, bias=None if bias is None else bias.astype(second.weight.dtype))
