"""From a traced module to a network, backwards from its output."""

from dataclasses import replace
from typing import Any

import numpy as np

from deploy.network import Array, Conv, Dense, FloatNeuron, Input, Network, Output, Scale, Shape
from deploy.network.idioms import READOUT, add_readout, mean_name
from export.modules.ending import Ending
from export.modules.feeding import MOST_STEPS, Feeding, Term
from export.modules.folding import Fold
from export.modules.forms import before_pooling, lifted, on_images, plain, window
from export.modules.graph import Graph
from export.modules.refusal import ModuleRefusedError
from export.modules.shapes import as_image, per_channel
from export.modules.synapses import Synapses, as_linear, taken_apart
from export.modules.tracing import Traced
from export.modules.values import Made


class Builder(Feeding):
    """Makes the nodes that lead to an ending; `layers` and `maxima` say which `Made` each spiking node was."""

    def __init__(self, traced: Traced, fold: Fold, ending: Ending) -> None:
        self._traced, self.fold, self._ending = traced, fold, ending
        self.graph = Graph()
        self.layers: dict[str, int] = {}
        """By name of the node, the number of a layer of neurons."""
        self.maxima: dict[str, Made] = {}
        self._terms: dict[Any, list[Term]] = {}
        self._potentials: set[int] = set()
        self._names: list[str] = []

    def build(self, input_shape: Shape, dt: float) -> Network:
        graph, ending = self.graph, self._ending
        graph.add("output", Output(), "the output")
        graph.name("input")
        self._names = [graph.name(layer.name) for layer in self._traced.layers]
        graph.add("input", Input(shape=input_shape), "the frames")
        value, layer = ending.value, ending.layer
        bias = None
        if layer is not None:
            graph.connect(self._cells(layer, readout=ending.potential), "output", 0)
        else:
            bias = self.feed("output", value, ending.step, "the output")
        graph.prune()
        nodes = {name: node for name, node in graph.nodes.items() if name != "output"}
        graph.nodes = {**nodes, "output": graph.nodes["output"]}
        network = graph.network(dt)
        if ending.integrates:
            network = add_readout(network)
            if bias is not None:
                readout = network.nodes[READOUT]
                assert isinstance(readout, FloatNeuron)
                shaped = np.asarray(bias.reshape(readout.shape), np.float32)
                network = network.replace(nodes={**network.nodes, READOUT: replace(readout, bias=shaped)})
        return network

    def terms(self, made: Made, *, more: Array | None = None) -> list[Term]:
        """The nodes whose sum is what was made, and `more`."""
        key = (self.fold.keys.of(made), None if more is None else more.tobytes())
        if key not in self._terms:
            place = made.call.place
            try:
                self._terms[key] = self._make(made, more)
            except ModuleRefusedError as error:
                raise error.at(place) from None
        return self._terms[key]

    def _make(self, made: Made, more: Array | None) -> list[Term]:
        match made.kind:
            case "input":
                return [("input", 0)]
            case "cells":
                return [(self._cells(made.cells), 0)]
            case "linear":
                return self._synapses(made, taken_apart(made), more)
            case "conv":
                return self._synapses(made, taken_apart(made if on_images(made) else as_linear(made)), more)
            case "affine":
                return self._scaling(made, more)
            case "pool" if on_images(made):
                return self._pool(made, more)
            case "pool":
                return self._synapses(made, taken_apart(as_linear(made)), more)
            case "or":
                return self._maximum(made)
        raise ModuleRefusedError(f"the potential of {made.call.name} goes on to another layer; pass on its spikes")

    def _cells(self, number: int, *, readout: bool = False) -> str:
        known = self._traced.layers[number]
        if number in self.layers.values():
            name = next(name for name, other in self.layers.items() if other == number)
            if number in self._potentials:
                raise ModuleRefusedError(
                    f"{known.mades[0].call.place}: both its spikes and its potential are used; return its spikes"
                )
            return name
        last = known.mades[-1]
        name = self._names[number]
        self.layers[name] = number
        if readout:
            self._potentials.add(number)
        shape = as_image(known.shape)
        node = replace(known.cells, threshold=None) if readout else known.cells
        try:
            neuron = node.node(known.shape)
        except ModuleRefusedError as error:
            raise error.at(last.call.place) from None
        bias = self.feed(name, last.value, last.step, last.call.place, through_current=neuron.has_current)
        if bias is not None:
            sent = neuron.bias + neuron.gain * bias.reshape(known.shape).astype(np.float32)
            neuron = replace(neuron, bias=plain(sent))
        self.graph.add(name, lifted(neuron, shape), last.call.place)
        return name

    def _synapses(self, made: Made, synapses: Synapses, more: Array | None) -> list[Term]:
        """A node for each weight and step that it is applied to; the bias stands on the first that is in time."""
        carried = synapses.bias
        if more is not None:
            by_channel = per_channel(more, made.shape)
            if by_channel is None:
                raise ModuleRefusedError("a constant that differs within a channel enters a current that decays")
            carried = by_channel if carried is None else carried + by_channel
        if len({part.made.step for part in synapses.parts}) > MOST_STEPS:
            raise ModuleRefusedError("sees many steps at once; apply it to each step, and add up behind the last layer")
        groups: dict[Any, list[Any]] = {}
        for part in sorted(synapses.parts, key=lambda part: made.step - part.made.step):
            padding = part.node.padding if isinstance(part.node, Conv) else None
            groups.setdefault((id(part.node.weight), padding, made.step - part.made.step), []).append(part)
        for part in synapses.parts:
            self.terms(part.made)  # what comes first has the first name
        terms: list[Term] = []
        for (_, _, late), parts in groups.items():
            node = parts[0].node
            if carried is not None and not terms:
                node = replace(node, bias=carried.astype(np.float32))
            wanted = made.call.name if not terms else f"{made.call.name}_{parts[0].made.call.name}"
            name = self.graph.name(wanted)
            for part in parts:
                for source, own in self.terms(part.made):
                    shape = as_image(part.made.shape)
                    fed = self.flat(source, shape, made.call.place) if part.flat else source
                    self.graph.connect(fed, name, own)
            self.graph.add(name, node, made.call.place)
            terms.append((name, late))
        return terms

    def _scaling(self, made: Made, more: Array | None) -> list[Term]:
        factor, shift = (made.call.parameters[key] for key in ("factor", "shift"))
        inner = made.value.only
        while inner is not None and inner.kind == "affine" and inner.step == made.step:
            shift = factor * inner.call.parameters["shift"] + shift
            factor = factor * inner.call.parameters["factor"]
            made = replace(made, value=inner.value)
            inner = inner.value.only
        if inner is not None and inner.kind in ("linear", "conv") and inner.step == made.step:
            folded = taken_apart(inner).scaled(factor, shift)
            if folded is not None:
                return self._synapses(replace(made, call=replace(made.call, name=inner.call.name)), folded, more)
        if inner is not None and inner.kind == "pool" and (pooled := before_pooling(inner, factor, shift)) is not None:
            return self._pool(pooled, more)
        place = made.call.place
        shape = as_image(made.shape)
        shift = shift if more is None else shift + more
        if made.value.constant is not None:
            shift = shift + factor * made.value.constant
        name = self.graph.name(made.call.name)
        rest = self.feed(name, replace(made.value, constant=None), made.step, place)
        shift = shift if rest is None else shift + factor * rest
        by_channel = [per_channel(values, made.shape) for values in (factor, shift)]
        f, s = by_channel
        if not shift.any():
            scale = factor.reshape(shape) if f is None else f.reshape(-1, *(1,) * (len(shape) - 1))
            self.graph.add(name, Scale(factor=plain(scale)), place)
            return [(name, 0)]
        if f is None or s is None:
            raise ModuleRefusedError("adds a constant that differs within a channel; no node of a network does that")
        if len(shape) == 1:
            node: Dense | Conv = Dense(weight=np.diag(f).astype(np.float32), bias=s.astype(np.float32))
        else:
            node = Conv(weight=f.astype(np.float32).reshape(-1, 1, 1, 1), bias=s.astype(np.float32), groups=len(f))
        self.graph.add(name, node, place)
        return [(name, 0)]

    def _pool(self, made: Made, more: Array | None) -> list[Term]:
        parameters, place = made.call.parameters, made.call.place
        value = made.value
        if more is not None:
            value = replace(value, constant=self._constant_before(made, more))
        for piece in value.pieces if value.constant is None else ():
            self.terms(piece.made)  # what comes first has the first name
        name = self.graph.name(made.call.name)
        if self.feed(name, value, made.step, place, through_current=True) is not None:
            raise ModuleRefusedError("pools values to which a constant was added; add it behind the pooling")
        self.graph.add(name, window(parameters), place)
        if parameters["factor"] == 1:
            return [(name, 0)]
        scale = Scale(factor=np.asarray(np.float32(parameters["factor"])))
        return [(self.own(mean_name(name), name, scale, place), 0)]

    def _constant_before(self, made: Made, more: Array) -> Array:
        """The constant that, added before a pooling without padding, is `more` behind it."""
        parameters, by_channel = made.call.parameters, per_channel(more, made.shape)
        if by_channel is None or any(parameters["padding"]):
            raise ModuleRefusedError("a constant that differs within a channel enters a current that decays")
        before = by_channel / (float(np.prod(parameters["kernel"])) * parameters["factor"])
        value = np.repeat(before, made.value.size // len(before))
        return value if made.value.constant is None else made.value.constant + value

    def _maximum(self, made: Made) -> list[Term]:
        """The maximum of spikes is 1 where one of them is: their sum, and neurons without memory."""
        spikes = made.value.only
        if spikes is None or not self._gives_spikes(spikes):
            raise ModuleRefusedError(
                "max pooling of what are no spikes; pool the spikes behind the neurons, or use average pooling"
            )
        place = made.call.place
        self.terms(spikes)
        name = self.graph.name(made.call.name)
        summed = self.graph.name(f"{name}_sum")
        self._fed_without_constant(summed, made)
        self.graph.add(summed, window(made.call.parameters), place)
        zero, one = np.zeros((), np.float32), np.ones((), np.float32)
        shape = as_image(made.shape)
        neuron = FloatNeuron(shape=shape, keep=zero, gain=one, bias=zero, threshold=np.array(0.5, np.float32))
        self.graph.add(name, neuron, place)
        self.graph.connect(summed, name, 0)
        self.maxima[name] = made
        return [(name, 0)]

    def _gives_spikes(self, made: Made) -> bool:
        return made.kind == "or" or (made.kind == "cells" and self._traced.layers[made.cells].cells.spikes)

    def _fed_without_constant(self, name: str, made: Made) -> None:
        if self.feed(name, made.value, made.step, made.call.place) is not None:
            raise ModuleRefusedError("pools values to which a constant was added; add it behind the pooling")
