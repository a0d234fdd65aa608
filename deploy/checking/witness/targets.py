"""Where two models of one structure differ: which neurons it concerns first, and what has to spike before it shows."""

from dataclasses import dataclass, field

import numpy as np

from deploy.checking.divergence.groups import differing_groups, same_value
from deploy.checking.witness.cut import nearest_neurons
from deploy.network import Array, Conv, Delay, Dense, Flatten, Network, Neuron


@dataclass(frozen=True, kw_only=True)
class Target:
    """Neurons whose own parameters, or those of whose synapses, differ.

    layer: of neurons. rows: the indices along its first axis, where only some differ; None: all.
    inputs: by the layer or input that feeds a differing synapse, which of its elements do so over a weight that
        differs, (*shape) bool; empty where the difference needs no input.
    """

    layer: str
    rows: Array | None
    inputs: dict[str, Array] = field(default_factory=dict)


def targets(one: Network, other: Network) -> list[Target] | None:
    """The layers in which two networks differ first, in order of execution; None where their structure differs."""
    if set(one.nodes) != set(other.nodes) or set(one.edges) != set(other.edges) or one.shapes != other.shapes:
        return None
    groups = differing_groups(one, other)
    if any(group.kind in ("node", "wiring", "reset") for group in groups):
        return None
    if any(cell.is_readout != other.neurons[name].is_readout for name, cell in one.neurons.items()):
        return None
    layers: dict[str, list[str]] = {}
    for group in groups:
        for layer in nearest_neurons(one, group.node):
            layers.setdefault(layer, []).append(group.node)
    return [_target(one, other, layer, sorted(set(layers[layer]))) for layer in one.neurons if layer in layers]


def _target(one: Network, other: Network, layer: str, nodes: list[str]) -> Target:
    apart = np.zeros(one.shapes[layer][0], bool)
    inputs: dict[str, Array] = {}
    needs_input = True
    for name in nodes:
        a, b = one.nodes[name], other.nodes[name]
        if isinstance(a, Neuron) and isinstance(b, Neuron):
            apart |= _rows_of_cells(a, b)
            needs_input = False
        elif isinstance(a, Dense | Conv) and isinstance(b, Dense | Conv) and layer in one.targets(name):
            apart |= _weights_alone(a, b).reshape(len(a.weight), -1).any(axis=1)
            inputs |= _inputs(one, name, _columns(a, b))
        else:
            apart[:] = True
            needs_input = False
    rows = None if apart.all() else np.flatnonzero(apart)
    return Target(layer=layer, rows=rows, inputs=inputs if needs_input else {})


def _rows_of_cells(a: Neuron, b: Neuron) -> Array:
    apart: Array = np.zeros(a.shape, bool)
    for names in a.groups.values():
        for name in names:
            x, y = getattr(a, name), getattr(b, name)
            if not same_value(x, y):
                apart |= np.asarray(x != y)
    return np.asarray(apart.reshape(len(apart), -1).any(axis=1))


def _weights_alone(a: Dense | Conv, b: Dense | Conv) -> Array:
    """Which weights differ, of the shape of those of `a`; all of them where anything else differs too."""
    same = all(same_value(value, getattr(b, name)) for name, value in vars(a).items() if name != "weight")
    if not same or a.weight.shape != b.weight.shape:
        return np.ones(a.weight.shape, bool)
    return np.asarray(a.weight != b.weight)


def _columns(a: Dense | Conv, b: Dense | Conv) -> Array:
    """Which channels or elements of its input a synapse weighs differently: (in,) bool."""
    if isinstance(a, Conv) and a.groups > 1:
        return np.ones(a.weight.shape[1] * a.groups, bool)
    apart = _weights_alone(a, b)
    return np.asarray(apart.any(axis=tuple(n for n in range(apart.ndim) if n != 1)))


def _inputs(network: Network, synapse: str, columns: Array) -> dict[str, Array]:
    """What feeds a synapse, and which of its elements; all where more than flattening and delays lies between."""
    found: dict[str, Array] = {}
    passed = set[str]()
    waiting = [(source, columns) for source in network.sources(synapse)]
    while waiting:
        name, wanted = waiting.pop()
        if name in passed and wanted.all():
            continue  # a cycle without neurons
        if wanted.all():
            passed.add(name)
        shape, node = network.shapes[name], network.nodes[name]
        if name == network.input or isinstance(node, Neuron):
            per_row = wanted.reshape(-1, *[1] * (len(shape) - 1)) if wanted.size == shape[0] else wanted.reshape(shape)
            found[name] = found.get(name, np.zeros(shape, bool)) | np.broadcast_to(per_row, shape)
        elif isinstance(node, Flatten | Delay):
            waiting += [(source, wanted) for source in network.sources(name)]
        else:
            waiting += [(source, np.ones(network.shapes[source], bool)) for source in network.sources(name)]
    return found
