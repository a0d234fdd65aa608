"""`read`: a netx file of lava-dl, or one that `write_netx` made, as a network on the grid."""

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from deploy import grid
from deploy.errors import ModelError, UnsupportedError, shown
from deploy.formats.binning import binning_of
from deploy.formats.metadata import from_metadata
from deploy.formats.netx.layers import Layer, open_layers
from deploy.formats.netx.neurons import cells, input_neurons, neurons
from deploy.formats.netx.origin import NetxNetwork
from deploy.formats.netx.synapses import conv, delayed, dense, passing, pool, stored, sums
from deploy.network import Delay, Dense, Edge, Flatten, Input, Network, Node, Output, Shape

SCALE_BITS = 6
"""lava-dl multiplies its float weights and thresholds by 2^6 to come to the grid."""


def read(
    path: Path,
    *,
    dt: float | None = None,
    step_us: int | None = None,
    steps: int | None = None,
    reset: str | None = None,
    reset_delay: bool = False,
) -> NetxNetwork:
    """Read a netx file.

    The neurons of the file's layer i are called `layer<i>`, except where `write_netx` kept their names. An input layer
    with neurons takes the picture as their bias; here frames hold these bias mantissas at every step. The mean of
    groups of neurons at the end (`average`) becomes a readout that adds up their spikes. A recording is what lies
    between two resets of netx (its `reset_interval`, which is no part of a file): every one begins with states of 0.

    Args:
        path: the file.
        dt: seconds a step, which a file of lava-dl does not say and its integers do not need; a .nir file holds it.
        step_us, steps: of a recording, where the file does not say its binning.
        reset, reset_delay: what a spike does to the potential; these neurons have the hard reset at once.

    Raises:
        ModelError: not a netx file, damaged, or layers that do not fit together.
        UnsupportedError: a layer, neuron or parameter that the grid does not have; another reset.
        GridError: weights that are not on the grid.
    """
    with open_layers(path) as (layers, attributes):
        graph = Chain(last=max((layer.index for layer in layers if layer.kind != "flatten"), default=0))
        for layer in layers:
            graph.add_layer(layer)
        graph.add("output", Output())
    if dt is not None and not 0 < dt < float("inf"):
        raise ModelError(f"dt (={dt}) must be a positive number of seconds")
    if reset not in (None, "zero") or reset_delay:
        raise UnsupportedError(f"{path}: netx has the hard reset at once; leave out --reset and --reset-delay")
    info = from_metadata(attributes)
    network = Network(nodes=graph.nodes, edges=tuple(graph.edges), classes=info.classes, chip=info.chip)
    if not network.neurons:
        raise ModelError("has no layer of neurons; a network needs one")
    assert network.shapes  # raises where layers do not fit together
    network = _named(network, info.node_order)
    binning = binning_of(path, info.binning, network.input_shape, step_us, steps)
    network = network.replace(binning=binning, scale_bits=_scale_bits(attributes, network))
    step = dt or info.dt
    return NetxNetwork.of(network if step is None else network.replace(dt=step), path)


def _named(network: Network, names: tuple[str, ...]) -> Network:
    """The nodes under the names that `write_netx` keeps, in order from the input to the output."""
    if not names:
        return network
    if len(names) != len(network.nodes) or len(set(names)) != len(names):
        raise ModelError(
            f"names {shown(list(names))} for {len(network.nodes)} nodes; the file was changed after its export. "
            "Export it again"
        )
    called = dict(zip(network.order, names, strict=True))
    return network.replace(
        nodes={called[name]: network.nodes[name] for name in network.order},
        edges=tuple((called[source], called[target]) for source, target in network.edges),
    )


def _scale_bits(attributes: Mapping[str, Any], network: Network) -> dict[str, int]:
    """By layer, the k with which its integers are written as floats, w / 2^k."""
    try:
        said = {name: int(k) for name, k in json.loads(attributes.get("scale_bits", "{}")).items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"metadata: cannot be read ({error!r:.60}); export the network again") from error
    if any(abs(k) > grid.STATE_BITS + grid.DECAY_BITS for k in said.values()):
        raise ModelError(f"metadata: scales {shown(said)} that no layer has; export the network again")
    return {name: said.get(name, SCALE_BITS) for name in network.neurons}


def _input_of(layer: Layer) -> Shape:
    """What a first layer takes where the file has no input layer: a dense one says it by its weights."""
    if not layer.kind.startswith("dense"):
        raise ModelError(
            f"{layer.name}: is of type {layer.kind!r}; a file begins with an input layer that says its shape, or with "
            "a dense one"
        )
    return (stored(layer, "weight").shape[1],)


class Chain:
    """The nodes so far, one layer after the other; `last` is the index of the one that gives the output."""

    def __init__(self, last: int) -> None:
        self._last = last
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self._end = ""
        self._shape: Shape = ()

    def add(self, name: str, node: Node) -> None:
        """A node behind the last one."""
        self._put(name, node, *([self._end] if self._end else []))
        self._end = name

    def add_layer(self, layer: Layer) -> None:
        """The nodes of a layer behind the last one."""
        if layer.kind == "input" and self.nodes:
            raise ModelError(f"{layer.name}: is of type 'input'; a file has one such layer, the first")
        if layer.kind != "input" and not self.nodes:
            self._shape = _input_of(layer)
            self.add("input", Input(shape=self._shape))
        match layer.kind:
            case "input":
                self._input(layer)
            case "flatten":
                self.add(layer.name, Flatten())
                self._shape = (prod(self._shape),)
            case "average":
                self._average(layer)
            case _:
                self._synapse(layer)

    def _input(self, layer: Layer) -> None:
        self._shape = layer.shape()
        self.add("input", Input(shape=self._shape))
        if layer.neuron_type() is not None:
            self.add(f"{layer.name}_synapse", passing(layer, self._shape))
            self.add(layer.name, input_neurons(layer, self._shape))

    def _synapse(self, layer: Layer) -> None:
        name, shape = layer.name, layer.shape()
        if layer.kind.startswith("dense"):
            shape = (prod(shape),)
            parts = delayed(layer, dense(layer))
            for steps, part in parts.items():
                self._part(name, steps, part, alone=len(parts) == 1)
            if layer.kind == "dense_rec":
                self._put(f"{name}_recurrent", dense(layer, "weight_rec"), name)
                self.edges.append((f"{name}_recurrent", name))
        else:
            self._put(f"{name}_synapse", conv(layer) if layer.kind == "conv" else pool(layer, self._shape), self._end)
            self.edges.append((f"{name}_synapse", name))
        self.nodes[name] = neurons(layer, shape, last=layer.index == self._last)
        self._end, self._shape = name, shape

    def _part(self, name: str, steps: int, part: Dense, *, alone: bool) -> None:
        """The weights of one delay, and the delay before them."""
        source, suffix = self._end, "" if alone else f"{steps}"
        if steps:
            self._put(f"{name}_delay{suffix}", Delay(steps=steps), source)
            source = f"{name}_delay{suffix}"
        self._put(f"{name}_synapse{suffix}", part, source)
        self.edges.append((f"{name}_synapse{suffix}", name))

    def _average(self, layer: Layer) -> None:
        """Readouts that add up what equal groups of neighboring neurons spike."""
        if layer.index != self._last:
            raise UnsupportedError(f"{layer.name}: a mean (average) before other layers; it is no spike. Put it last")
        count, groups = prod(self._shape), prod(layer.shape())
        if len(self._shape) != 1 or count % groups:
            raise ModelError(f"{layer.name}: {groups} means over neurons {self._shape}; flat equal groups are expected")
        self.add(f"{layer.name}_synapse", sums(layer, count, groups))
        self.add(layer.name, cells((groups,), grid.DU_IMMEDIATE, 0, None, np.zeros(())))
        self._shape = (groups,)

    def _put(self, name: str, node: Node, *sources: str) -> None:
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]
