"""A network in two parts at a layer of neurons, so that what two models share is run once and the rest is small."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from deploy.checking.divergence.bisect import up_to
from deploy.network import Array, Conv, Dense, GridNeuron, Input, Network, Neuron, Node, Output


@dataclass(frozen=True, kw_only=True)
class Cut:
    """`before` gives the spikes of `source`; None where that is the input. `behind` makes `layer` of them.

    rows: the channels or neurons of the layer that `behind` has; None: all.
    """

    source: str
    before: Network | None
    behind: Network
    layer: str
    rows: Array | None


def cut(network: Network, layer: str, rows: Array | None = None) -> Cut:
    """Cut at the nearest layer through which everything passes that reaches `layer`.

    Args:
        network: on the grid.
        layer: a layer of neurons.
        rows: the indices along its first axis that are of interest; None: all.
    """
    source, between = _nearest(network, layer)
    nodes: dict[str, Node] = {name: network.nodes[name] for name in network.order if name in between}
    edges = tuple(edge for edge in network.edges if edge[1] in between)
    inputs = Input(shape=network.shapes[source])
    behind = network.replace(
        nodes={source: inputs, **nodes, network.output: Output()}, edges=(*edges, (layer, network.output))
    )
    before = None if source == network.input else up_to(network, source)
    if rows is not None and len(rows) < network.shapes[layer][0] and _narrow(behind, layer):
        behind = _narrowed(behind, layer, rows)
    else:
        rows = None
    return Cut(source=source, before=before, behind=behind, layer=layer, rows=rows)


def _nearest(network: Network, layer: str) -> tuple[str, frozenset[str]]:
    """The source, and the nodes between it and the layer, with the layer."""
    shallower = [name for name in network.neurons if network.depth[name] < network.depth[layer]]
    for name in sorted(shallower, key=lambda name: -network.depth[name]):
        between = _ancestors(network, [layer], name)
        if network.input not in between and not between & _ancestors(network, [name], ""):
            return name, between
    return network.input, _ancestors(network, [layer], network.input)


def _ancestors(network: Network, names: Iterable[str], stop: str) -> frozenset[str]:
    """`names` and all that reaches them, without `stop` and what lies before it."""
    found, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found and name != stop:
            found.add(name)
            waiting += network.sources(name)
    return frozenset(found)


def _narrow(behind: Network, layer: str) -> bool:
    """Whether the rows of the layer are independent of each other, and each is a row of its synapses."""
    synapses = [behind.nodes[name] for name in behind.sources(layer)]
    return behind.targets(layer) == [behind.output] and all(
        (isinstance(node, Dense) or (isinstance(node, Conv) and node.groups == 1)) and behind.targets(name) == [layer]
        for name, node in zip(behind.sources(layer), synapses, strict=True)
    )


def _narrowed(behind: Network, layer: str, rows: Array) -> Network:
    nodes: dict[str, Node] = dict(behind.nodes)
    for name in behind.sources(layer):
        synapse = nodes[name]
        assert isinstance(synapse, Dense | Conv)
        nodes[name] = replace(synapse, weight=synapse.weight[rows])
    cell = nodes[layer]
    assert isinstance(cell, GridNeuron)
    shape = (len(rows), *cell.shape[1:])
    values = {
        name: np.broadcast_to(value, cell.shape)[rows]
        for name, value in vars(cell).items()
        if isinstance(value, np.ndarray)
    }
    nodes[layer] = replace(cell, shape=shape, **values)  # pyright: ignore[reportArgumentType]
    return behind.replace(nodes=nodes)


def nearest_neurons(network: Network, name: str) -> list[str]:
    """The layers of neurons that `name` reaches without another one between; itself where it is one."""
    found, waiting = dict[str, None](), [name]
    while waiting:
        one = waiting.pop(0)
        if one not in found:
            found[one] = None
            waiting += [] if isinstance(network.nodes[one], Neuron) else network.targets(one)
    return [one for one in found if isinstance(network.nodes[one], Neuron)]
