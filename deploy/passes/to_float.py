"""A network on the grid as the float network that a reader without a grid sees in its file."""

from dataclasses import replace

import numpy as np

from deploy.grid import DECAY_ONE, STATE_BITS
from deploy.network import Array, Conv, Dense, FloatNeuron, GridNeuron, Network, Node, exactly
from deploy.passes.synapses import synapse_scales


def to_float(network: Network) -> Network:
    """Integers w of a layer with scale k as w / 2^k, decays d as d / 4096.

    Requires: a network on the grid with scales. Ensures: a float network whose weights and thresholds are the same
    numbers; it differs by the rounding of the leak and of negative weight exponents, and neither wraps nor saturates.
    """
    scales = synapse_scales(network)
    nodes: dict[str, Node] = {}
    for name, node in network.nodes.items():
        match node:
            case Dense() | Conv():
                factor = 2.0 ** (node.weight_exp - scales[name])
                nodes[name] = replace(node, weight=_float(node.weight * factor), weight_exp=0)
            case GridNeuron():
                node = exactly(name, node, "the way back to floats", GridNeuron, every_reset=True)
                nodes[name] = _neuron(node, network.scale_bits[name])
            case _:
                nodes[name] = node
    return network.replace(nodes=nodes, chip=None, scale_bits={}, exit_margin=None)


def _neuron(node: GridNeuron, k: int) -> FloatNeuron:
    immediate = not node.has_current
    one = np.ones((), np.float32)
    threshold = None if node.vth is None else _float(node.vth * 2.0**-k)
    return FloatNeuron(
        shape=node.shape,
        keep=_float(1 - node.dv / DECAY_ONE),
        gain=one,
        bias=_float(node.bias * 2.0 ** -(k + STATE_BITS)),
        threshold=threshold,
        reset=threshold if node.reset_mechanism == "subtract" and threshold is not None else np.zeros((), np.float32),
        reset_mechanism=node.reset_mechanism,
        reset_delay=node.reset_delay,
        current_keep=None if immediate else _float(1 - (node.du + 1) / DECAY_ONE),
        current_gain=None if immediate else one,
    )


def _float(values: Array) -> Array:
    return np.asarray(values, np.float32)
