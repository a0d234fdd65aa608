"""Make the gain of spiking neurons the same within a layer, where a convolution cannot take it into its weights."""

from dataclasses import replace

import numpy as np

from deploy.network import Array, Conv, FloatNeuron, Network, Node
from deploy.passes.synapses import synapses_into


def even_gain(network: Network) -> Network:
    """Count the potential of each neuron behind a convolution in units of its own gain, where gains differ.

    v / g obeys the same equations as v with gain 1, and threshold, reset and bias divided by g. Here g is the neuron's
    gain over the largest of its layer.

    Requires: a float network. Ensures: the same spikes; each parameter is rounded to float32 once. A layer without
    threshold, whose potential is its output, and one with a gain of 0 or below stays as it is.
    """
    nodes: dict[str, Node] = dict(network.nodes)
    for name, node in network.neurons.items():
        if isinstance(node, FloatNeuron) and node.threshold is not None and _differs(network, name, node):
            nodes[name] = _evened(node, node.threshold)
    return network.replace(nodes=nodes)


def input_factor(node: FloatNeuron) -> Array:
    """What an input of 1 adds to the potential in its first step, at the shape of the neurons."""
    return np.broadcast_to(node.gain.astype(np.float64) * node.input_gain, node.shape)


def per_channel(factor: Array, channels: int) -> bool:
    """Whether it is one number for each of the channels of a convolution."""
    flat = factor.reshape(channels, -1)
    return bool(np.all(flat == flat[:, :1]))


def _differs(network: Network, name: str, node: FloatNeuron) -> bool:
    factor = input_factor(node)
    convolutions = [
        source for source in synapses_into(network, name, through_time=False) if isinstance(network.nodes[source], Conv)
    ]
    odd = any(not per_channel(factor, network.shapes[source][0]) for source in convolutions)
    return odd and bool(np.all(factor > 0))


def _evened(node: FloatNeuron, threshold: Array) -> FloatNeuron:
    factor = input_factor(node)
    largest = factor.max()
    share = factor / largest

    def scaled(values: Array) -> Array:
        return (values / share).astype(np.float32)

    return replace(
        node,
        gain=np.asarray(largest, np.float32),
        current_gain=None,
        threshold=scaled(threshold),
        reset=scaled(node.reset),
        bias=scaled(node.bias),
    )
