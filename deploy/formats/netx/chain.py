"""The nodes of a netx file, made one layer after the other."""

from math import prod

import numpy as np

from deploy import grid
from deploy.errors import ModelError, UnsupportedError
from deploy.formats.netx.layers import Layer
from deploy.formats.netx.neurons import cells, input_neurons, neurons
from deploy.formats.netx.synapses import conv, delayed, dense, passing, pool, stored, sums
from deploy.network import Delay, Dense, Edge, Flatten, Input, Node, Shape


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
