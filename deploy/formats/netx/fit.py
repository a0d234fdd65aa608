"""`fit_to_netx`: the nearest network that netx can hold. It is another network, with a trace of its own."""

from dataclasses import replace

import numpy as np

from deploy import grid
from deploy.formats.netx.limits import BIAS_UNIT
from deploy.network import Conv, Dense, GridNeuron, Network, Node, exactly
from deploy.network.parameters import ParameterChange, compare_parameter
from deploy.passes.synapses import synapses_into


def fit_to_netx(network: Network) -> Network:
    """Round biases to multiples of 64, and put negative weight exponents into the weights, which lose those bits.

    Requires: a network on the grid. Ensures: what `write_netx` refuses for its biases or exponents is gone, and
    `report` tells of each change in addition to what it told before. A network that fits is returned unchanged.
    """
    nodes: dict[str, Node] = dict(network.nodes)
    changes: list[ParameterChange] = []
    for name, neuron in network.neurons.items():
        scale = 2.0 ** network.scale_bits.get(name, 0)
        nodes[name], changed = _round_bias(name, exactly(name, neuron, "netx", GridNeuron), scale)
        changes += changed
        for synapse in synapses_into(network, name, through_time=True):
            node = nodes[synapse]
            if isinstance(node, Dense | Conv) and node.weight_exp < 0:
                nodes[synapse], change = _round_weights(synapse, node, scale)
                changes.append(change)
    return network.replace(nodes=nodes, report=(*network.report, *changes)) if changes else network


def _round_bias(name: str, neuron: GridNeuron, scale: float) -> tuple[GridNeuron, list[ParameterChange]]:
    low, high = -grid.BIAS_MANTISSA_MAX - 1, grid.BIAS_MANTISSA_MAX
    wanted = np.rint(neuron.bias / BIAS_UNIT)
    bias = (np.clip(wanted, low, high) * BIAS_UNIT).astype(neuron.bias.dtype)
    if np.array_equal(bias, neuron.bias):
        return neuron, []
    unit = scale * (1 << grid.STATE_BITS)
    beyond = int(((wanted < low) | (wanted > high)).sum())
    note = "rounded for netx: multiples of 64 in units of the state"
    change = compare_parameter(name, "bias", neuron.bias / unit, bias / unit, saturated=beyond, note=note)
    return replace(neuron, bias=bias), [change]


def _round_weights(name: str, node: Dense | Conv, scale: float) -> tuple[Dense | Conv, ParameterChange]:
    wanted = node.weight * 2.0**node.weight_exp
    weight = grid.round_weights(wanted).astype(node.weight.dtype)
    note = f"rounded for netx: {-node.weight_exp} low bits dropped in place of a weight exponent"
    change = compare_parameter(name, "weight", wanted / scale, weight / scale, note=note)
    return replace(node, weight=weight, weight_exp=0), change
