"""The smallest changes that a chip can hold: one step of a weight, threshold, decay or bias, up or down."""

from dataclasses import dataclass, replace
from math import prod
from typing import Literal

import numpy as np

from deploy.grid import (
    BIAS_EXPONENT_MAX,
    BIAS_MANTISSA_MAX,
    DECAY_ONE,
    DU_IMMEDIATE,
    VTH_MAX,
    split_bias,
    weight_range,
    weight_step,
)
from deploy.network import Array, Conv, Dense, Flatten, GridNeuron, Network, exactly

SAMPLE = 400
"""Changes tried of each parameter of each node, where there are more."""

Parameter = Literal["weight", "vth", "dv", "du", "bias"]

WORDS: dict[Parameter, str] = {
    "weight": "weights",
    "vth": "thresholds",
    "dv": "potential decays",
    "du": "current decays",
    "bias": "biases",
}


@dataclass(frozen=True)
class Mutants:
    """All changes of one array of one node by one step, up and down, that stay within the range of the chip.

    elements: (n,) places in the flattened array; deltas: (n,) what is added there. A neuron's parameters are those of
    every single neuron, also where a layer shares them: a chip holds them one by one.
    """

    node: str
    parameter: Parameter
    step: int
    elements: Array
    deltas: Array

    def __len__(self) -> int:
        return len(self.elements)

    def take(self, rows: Array) -> "Mutants":
        return replace(self, elements=self.elements[rows], deltas=self.deltas[rows])

    def applied(self, network: Network, row: int) -> Network:
        """The network with one of the changes."""
        node = network.nodes[self.node]
        shape = node.shape if isinstance(node, GridNeuron) else getattr(node, self.parameter).shape
        values = np.broadcast_to(getattr(node, self.parameter), shape).copy()
        values.flat[self.elements[row]] += self.deltas[row]
        changed = replace(node, **{self.parameter: values})  # pyright: ignore[reportArgumentType]
        return network.replace(nodes={**network.nodes, self.node: changed})


def mutants_of(network: Network) -> tuple[list[Mutants], list[str]]:
    """All there are, and the synapses left out because something stands between them and the neurons.

    Raises:
        UnsupportedError: neurons of a kind that is not known here.
    """
    found, left_out = [], []
    for name in network.order:
        node = network.nodes[name]
        if isinstance(node, Dense | Conv):
            if layers_fed(network, name):
                low, high = int(node.weight.min()), int(node.weight.max())
                found.append(_around(name, "weight", node.weight, weight_step(low, high), *weight_range(low, high)))
            else:
                left_out.append(name)
        elif name in network.neurons:
            found += _of_neurons(name, exactly(name, node, "coverage", GridNeuron, every_reset=True))
    return [mutants for mutants in found if len(mutants)], left_out


def layers_fed(network: Network, synapse: str) -> dict[str, int]:
    """The layers of neurons that a synapse feeds with nothing but a Flatten between, and how many steps later each
    sees it (over recurrent edges); empty if it feeds anything else too."""
    layers: dict[str, int] = {}
    waiting = [(synapse, target, 0) for target in network.targets(synapse)]
    while waiting:
        source, name, lag = waiting.pop()
        lag += (source, name) in network.recurrent_edges
        if name in network.neurons:
            layers[name] = lag
        elif isinstance(network.nodes[name], Flatten):
            waiting += [(name, target, lag) for target in network.targets(name)]
        else:
            return {}
    return layers


def _of_neurons(name: str, node: GridNeuron) -> list[Mutants]:
    def whole(value: Array) -> Array:
        return np.broadcast_to(np.asarray(value, np.int64), node.shape)

    _, exponent = split_bias(node.bias)
    step = 1 << min(exponent, BIAS_EXPONENT_MAX)
    found = [
        _around(name, "dv", whole(node.dv), 1, 0, DECAY_ONE),
        _around(name, "du", whole(node.du), 1, 0, DU_IMMEDIATE),
        _around(name, "bias", whole(node.bias), step, -(BIAS_MANTISSA_MAX + 1) * step, BIAS_MANTISSA_MAX * step),
    ]
    if node.vth is not None:
        found.append(_around(name, "vth", whole(node.vth), 1, 0, VTH_MAX))
    return found


def _around(name: str, parameter: Parameter, values: Array, step: int, low: int, high: int) -> Mutants:
    flat = values.astype(np.int64).ravel()
    elements = np.tile(np.arange(prod(values.shape)), 2)
    deltas = np.repeat(np.array([step, -step]), prod(values.shape))
    after = flat[elements] + deltas
    inside = (after >= low) & (after <= high)
    return Mutants(name, parameter, step, elements[inside], deltas[inside])
