"""What arrives at one neuron in one step: the inputs that are not 0, with their weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from deploy.checking.divergence.hypotheses.synapse import flat_shape
from deploy.network import Array, Conv, Dense, Network


@dataclass(frozen=True, kw_only=True)
class Input:
    """What one input brings to the neuron at this step: its place in the layer before, its count, and the weight."""

    synapse: str
    index: tuple[int, ...]
    count: int
    weight: float


def inputs_of(network: Network, layer: str, neuron: tuple[int, ...], arriving: Mapping[str, Array]) -> list[Input]:
    """The inputs of one neuron that are not 0, heaviest first."""
    rows = []
    for name in network.sources(layer):
        node = network.nodes[name]
        if not isinstance(node, Dense | Conv):
            continue
        x = arriving[name]
        where = _dense(node, neuron, x) if isinstance(node, Dense) else _window(node, neuron, x)
        shape = flat_shape(network, name)
        for index, weight in where:
            place = tuple(int(i) for i in np.unravel_index(index[0], shape)) if shape and len(index) == 1 else index
            rows.append(Input(synapse=name, index=place, count=int(x[index]), weight=float(weight)))
    return sorted(rows, key=lambda row: (-abs(row.weight), row.synapse, row.index))


def _dense(node: Dense, neuron: tuple[int, ...], x: Array) -> list[tuple[tuple[int, ...], float]]:
    return [((int(i),), node.weight[neuron[0], i]) for i in np.flatnonzero(x)]


def _window(node: Conv, neuron: tuple[int, ...], x: Array) -> list[tuple[tuple[int, ...], float]]:
    out, *at = neuron
    channels = node.weight.shape[1]
    first = out // (len(node.weight) // node.groups) * channels
    found = []
    for k in range(prod(node.weight.shape[2:])):
        tap = np.unravel_index(k, node.weight.shape[2:])
        place = [
            a * s - p + int(t) * d
            for a, s, p, t, d in zip(at, node.stride, node.padding, tap, node.dilation, strict=True)
        ]
        if all(0 <= i < n for i, n in zip(place, x.shape[1:], strict=True)):
            for c in range(channels):
                index = (first + c, *place)
                if x[index]:
                    found.append((index, node.weight[(out, c, *tap)]))
    return found
