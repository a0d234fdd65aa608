"""Move the resistance of leaky neurons into the weights, for readers that ignore it."""

from dataclasses import replace

import numpy as np

from deploy.errors import UnsupportedError
from deploy.network import Array, Conv, Dense, FloatNeuron, Network, Node
from deploy.passes.synapses import synapses_into


def unit_resistance(network: Network) -> Network:
    """Scale the synapses of leaky neurons so that their NIR form has r = 1 (norse reads r as 1 whatever it is).

    In NIR's equation the input enters as dt / tau * r; with r = tau / dt, as snnTorch has it, the gain is 1. Here the
    gain becomes 1 - keep = dt / tau, and the weights and biases that feed the neuron grow by what it lost.

    Requires: a float network in which every synapse feeds one neuron only, directly or through Flatten, and nothing
    else feeds a leaky neuron. Ensures: the same function, weights rounded to float32 once.

    Raises:
        UnsupportedError: a synapse that several neurons share, a leak that differs within a channel.
    """
    nodes: dict[str, Node] = dict(network.nodes)
    for name, node in network.neurons.items():
        if not isinstance(node, FloatNeuron) or node.has_current or np.any(node.keep == 1):
            continue
        gain = 1 - node.keep.astype(np.float64)
        growth = np.broadcast_to(node.gain / gain, node.shape)
        for synapse in synapses_into(network, name, through_time=True):
            nodes[synapse] = _grown(network, synapse, name, growth)
        nodes[name] = replace(node, gain=gain.astype(np.float32))
    return network.replace(nodes=nodes)


def _grown(network: Network, synapse: str, neuron: str, growth: Array) -> Node:
    node = network.nodes[synapse]
    assert isinstance(node, Dense | Conv)
    if len(network.targets(synapse)) != 1:
        raise UnsupportedError(f"{synapse}: feeds {network.targets(synapse)}; its weights can follow {neuron} alone")
    flat = growth.reshape(network.shapes[synapse][0], -1)
    if np.any(flat != flat[:, :1]):
        raise UnsupportedError(f"{neuron}: its leak differs within a channel, so no weight of {synapse} can absorb it")
    factor = flat[:, 0]
    weight = (node.weight * factor.reshape(-1, *(1,) * (node.weight.ndim - 1))).astype(node.weight.dtype)
    bias = None if node.bias is None else (node.bias * factor).astype(node.bias.dtype)
    return replace(node, weight=weight, bias=bias)
