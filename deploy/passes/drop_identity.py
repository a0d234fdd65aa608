"""Remove nodes that do nothing."""

import numpy as np

from deploy.network import Delay, Flatten, Network, Node, Scale, SumPool
from deploy.passes.edits import bypass, recurrent


def drop_identity(network: Network) -> Network:
    """Remove factors of 1, delays of 0 steps, pooling over single pixels, and Flatten of what is flat.

    Requires: nothing. Ensures: the same values everywhere else, bit for bit.
    """
    for name, node in network.nodes.items():
        source = network.sources(name)[:1]
        if source and not recurrent(network, name) and _does_nothing(node, len(network.shapes[source[0]])):
            network = bypass(network, name, {})
    return network


def _does_nothing(node: Node, rank: int) -> bool:
    match node:
        case Scale():
            return bool(np.all(node.factor == 1))
        case Delay():
            return node.steps == 0
        case SumPool():
            return (node.kernel, node.stride, node.padding) == ((1, 1), (1, 1), (0, 0))
        case Flatten():
            return rank == 1
        case _:
            return False
