"""What is two nodes here and one, or none, in NIR: average pooling, and a readout that the reader adds by itself.

Few readers know SumPool2d, Scale and I, most know AvgPool2d; written so, a float student is read by all of them.
"""

from dataclasses import dataclass

import numpy as np

from deploy.network import Edge, FloatNeuron, Network, Scale, SumPool
from deploy.network.idioms import READOUT, mean_factor, mean_name


@dataclass(frozen=True)
class Idioms:
    """Pools to write as averages, nodes not to write, and the edges that remain."""

    averages: frozenset[str]
    left_out: frozenset[str]
    edges: tuple[Edge, ...]


def find_idioms(network: Network) -> Idioms:
    """Which nodes of a network `read_nir` makes again by itself."""
    averages = frozenset(name for name, node in network.nodes.items() if _is_average(network, name, node))
    left_out = {mean_name(name) for name in averages}
    edges = network.edges
    for scale in left_out:
        edges = _without(edges, scale)
    if _is_implied_readout(network):
        edges = _without(edges, READOUT)
        left_out.add(READOUT)
    return Idioms(averages, frozenset(left_out), edges)


def _without(edges: tuple[Edge, ...], name: str) -> tuple[Edge, ...]:
    targets = [b for a, b in edges if a == name]
    return tuple((a, t) for a, b in edges if a != name for t in (targets if b == name else [b]))


def _is_average(network: Network, name: str, node: object) -> bool:
    scale = network.nodes.get(mean_name(name))
    if not isinstance(node, SumPool) or not isinstance(scale, Scale):
        return False
    alone = network.targets(name) == [mean_name(name)] and network.sources(mean_name(name)) == [name]
    return alone and bool(np.all(scale.factor == mean_factor(node)))


def _is_implied_readout(network: Network) -> bool:
    """A float integrator without leak between something that is no neuron and the output."""
    node = network.nodes.get(READOUT)
    if not isinstance(node, FloatNeuron) or network.sources(network.output) != [READOUT]:
        return False
    before = network.sources(READOUT)
    plain = node.is_readout and not node.has_current and not np.any(node.bias)
    unit = np.all(node.keep == 1) and np.all(node.gain == 1)
    fed_by_a_neuron = len(before) == 1 and before[0] in network.neurons
    return bool(plain and unit) and not fed_by_a_neuron and network.targets(READOUT) == [network.output]
