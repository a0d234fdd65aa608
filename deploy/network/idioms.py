"""What several nodes together stand for: the mean of a pooling, and the readout that adds up what comes out.

Readers make them from what other tools say in one node, and writers find them again.
"""

import numpy as np

from deploy.network.graph import Network
from deploy.network.neurons import FloatNeuron
from deploy.network.nodes import Node, Output, SumPool
from deploy.network.types import Shape

READOUT = "readout"
"""The neurons that add up a network's outputs over the steps; the largest potential at the end is the prediction."""


def mean_name(pool: str) -> str:
    """What the `Scale` behind the `SumPool` called `pool` is called where both were one average pooling."""
    return f"{pool}_mean"


def mean_factor(pool: SumPool) -> np.float32:
    """The factor that makes a sum over windows their mean; padding counts, as in PyTorch."""
    return np.float32(1 / (pool.kernel[0] * pool.kernel[1]))


def integrator(shape: Shape) -> FloatNeuron:
    """Float neurons that add up their input without leak and never spike."""
    one, zero = np.ones((), np.float32), np.zeros((), np.float32)
    return FloatNeuron(shape=shape, keep=one, gain=one, bias=zero, threshold=None)


def add_readout(network: Network) -> Network:
    """Put an integrator before the output of a float network, so that a prediction exists.

    It is called "readout", with as many "_" behind it as it takes to be the only node of that name.
    """
    name = READOUT
    while name in network.nodes:
        name += "_"
    edges = tuple((source, name if target == network.output else target) for source, target in network.edges)
    nodes: dict[str, Node] = {k: v for k, v in network.nodes.items() if not isinstance(v, Output)}
    nodes |= {name: integrator(network.shapes[network.output]), network.output: Output()}
    return network.replace(nodes=nodes, edges=(*edges, (name, network.output)))
