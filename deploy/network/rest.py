"""What nodes give before anything spikes: the biases of the synapses on the way."""

import numpy as np

from deploy.network.graph import Network
from deploy.network.neurons import Neuron
from deploy.network.nodes import Delay, Flatten, Input, Output
from deploy.network.ops import apply
from deploy.network.types import Array


def resting(network: Network, name: str) -> Array:
    """One step's output of node `name`, of its shape, while inputs, neurons and delays give zeros."""
    node, shape = network.nodes[name], network.shapes[name]
    if isinstance(node, Input | Neuron | Delay):
        return np.zeros(shape, np.float32)
    arriving = sum((resting(network, source) for source in network.sources(name)), np.zeros((), np.float32))
    out = arriving if isinstance(node, Flatten | Output) else apply(node, arriving[None])[0]
    return out.reshape(shape)
