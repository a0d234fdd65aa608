"""`write_onnx`: a `Network` as a stateful one-step ONNX graph, of integer operators where it lies on the grid."""

from pathlib import Path
from typing import Any

import numpy as np

from ckd.files import fill, write_then_rename
from deploy.errors import UnsupportedError
from deploy.extras import require_onnx
from deploy.formats.metadata import to_metadata
from deploy.formats.onnx import floats, integers
from deploy.formats.onnx.graph import NEXT, Graph
from deploy.network import (
    Conv,
    Delay,
    Dense,
    Flatten,
    FloatNeuron,
    GridNeuron,
    Input,
    Network,
    Neuron,
    Output,
    Scale,
    SumPool,
    exactly,
)
from deploy.network.counts import largest_counts
from deploy.network.rest import resting


def write_onnx(network: Network, path: Path) -> None:
    """Write a network and have onnx check the file; a crash leaves no half-written file behind.

    Raises:
        UnsupportedError: something that the graph cannot say, by name.
        GridError: sums that the integer operators cannot hold.
        RunnerError: the extra onnx is not installed.
    """
    model = to_onnx(network)
    onnx = require_onnx()
    with write_then_rename(Path(path)) as temporary:
        fill(temporary, model.SerializeToString())
        onnx.checker.check_model(str(temporary), full_check=True)


def to_onnx(network: Network, *, max_count: int | None = None) -> Any:
    """One layer-synchronous step of the network as an onnx.ModelProto; raises as `write_onnx`.

    max_count: the largest count that its frames will hold; None: what its binning says, else 255.

    Inputs: frame (batch, *input_shape), uint8 on the grid, else float32; and the states. Outputs: output; for each
    layer of neurons its spikes and the states. A node of the network is a node of its name; what goes with it begins
    with that name. The metadata are those of a .nir file.
    """
    mixed = any(isinstance(node, GridNeuron) for node in network.neurons.values()) and not network.on_grid
    if mixed:
        odd = [name for name, node in network.neurons.items() if isinstance(node, FloatNeuron)]
        raise UnsupportedError(f"neurons {odd} are not on the grid, the others are; quantize the whole network")
    metadata = {key: str(value) for key, value in to_metadata(network).items()}
    metadata["output_layer"] = network.output_layer
    return _Writer(network, max_count).graph.model("student", metadata)


class _Writer:
    """Goes through the network in order of execution."""

    def __init__(self, network: Network, max_count: int | None) -> None:
        self.network = network
        self.types = _value_types(network)
        self.graph = Graph(network.input_shape, self.types[network.input])
        most = integers.COUNT_MAX if network.binning is None else network.binning.max_count
        self.counts = largest_counts(network, most if max_count is None else max_count)
        self.late = {source: f"{source}.before" for source, _ in sorted(network.recurrent_edges)}
        self.held = dict(self.late)
        for source, name in self.held.items():
            self.graph.state(name, network.shapes[source], self.types[source])
            self.late[source] = self._from_rest(source, name)
        for name in network.order:
            self._node(name)
        for source, name in self.held.items():
            value = self._value(source, network.output)
            self.graph.output(name + NEXT, network.shapes[source], self.types[source], of=value)

    def _node(self, name: str) -> None:
        node, graph = self.network.nodes[name], self.graph
        if isinstance(node, Input):
            graph.values[name] = "frame"
        elif isinstance(node, Output):
            self._output(name)
        elif isinstance(node, Neuron):
            parts = integers if isinstance(node, GridNeuron) else floats
            node = exactly(name, node, "ONNX", GridNeuron, FloatNeuron, every_reset=True)
            spikes = parts.add_neuron(graph, name, node, self._arriving(name))  # pyright: ignore[reportArgumentType]
            if spikes is not None:
                graph.values[name] = spikes
        elif isinstance(node, Flatten):
            graph.add("Flatten", name, [self._arriving(name)], [f"{name}.flat"], axis=1)
            graph.values[name] = f"{name}.flat"
        elif isinstance(node, Delay):
            graph.values[name] = self._delay(name, node, self._arriving(name))
        elif self.network.on_grid:
            graph.values[name] = self._on_grid(name, node, self._arriving(name))
        else:
            graph.values[name] = floats.add_linear(graph, name, node, self._arriving(name), self.network.shapes[name])

    def _from_rest(self, source: str, before: str) -> str:
        """The state `before`, which begins with zeros; in the first step the biases that reach it without any spike."""
        rest = resting(self.network, source)
        if not np.any(rest):
            return before
        graph, started = self.graph, f"{source}.started"
        zero, one = (graph.constant(f"{started}.{n}", np.array(n, np.uint8)) for n in (0, 1))
        graph.state(started, (1,) * rest.ndim, np.uint8)
        graph.add("Greater", f"{started}.is", [started, zero], [f"{started}.is"])
        values = [f"{started}.is", before, graph.constant(f"{source}.rest", rest)]
        graph.add("Where", f"{before}.from", values, [f"{before}.from"])
        graph.add("Max", f"{started}{NEXT}", [started, one], [f"{started}{NEXT}"])
        graph.output(f"{started}{NEXT}", (1,) * rest.ndim, np.uint8)
        return f"{before}.from"

    def _on_grid(self, name: str, node: Dense | Conv | SumPool | Scale, x: str) -> str:
        largest = sum(self.counts.get(source, 1) for source in self.network.sources(name))
        match node:
            case Dense() | Conv():
                return integers.add_synapse(self.graph, name, node, x, largest)
            case SumPool():
                return integers.add_pool(self.graph, name, node, x, largest, self.network.shapes[name][0])
            case Scale():
                raise UnsupportedError(f"{name}: a factor has no place on the grid; fold it before quantizing")

    def _arriving(self, name: str) -> str:
        """The sum of what the edges into `name` bring, in the type that it takes."""
        sources, recurrent = self.network.sources(name), self.network.recurrent_edges
        wanted = _input_type(self.network, name, self.types)
        values = []
        for source in sources:
            value = self.late[source] if (source, name) in recurrent else self._value(source, name)
            if self.types[source] is integers.SUMS and wanted is integers.SPIKES:
                raise UnsupportedError(
                    f"{source} -> {name}: on the grid weighted sums go to neurons; {name} takes spikes or counts"
                )
            if self.types[source] is not wanted:
                value = self.graph.cast(f"{name}.from.{source}", value, wanted)
            values.append(value)
        if len(values) == 1 or wanted is not integers.SPIKES:
            return self._add(name, values)
        integers.refuse_large_counts(name, sum(self.counts.get(source, 1) for source in sources))
        # onnxruntime has no sum of uint8.
        wide = [self.graph.cast(f"{name}.wide{i}", value, np.int32) for i, value in enumerate(values)]
        return self.graph.cast(f"{name}.joined", self._add(name, wide), integers.SPIKES)

    def _add(self, name: str, values: list[str]) -> str:
        total = values[0]
        for i, value in enumerate(values[1:]):
            joined = f"{name}.join{i}"
            self.graph.add("Add", joined, [total, value], [joined])
            total = joined
        return total

    def _value(self, source: str, target: str) -> str:
        if source not in self.graph.values:
            raise UnsupportedError(
                f"{source} -> {target}: {source} is a readout, which never spikes; only the output can follow it"
            )
        return self.graph.values[source]

    def _delay(self, name: str, node: Delay, x: str) -> str:
        """A queue of `steps` frames as a state; the oldest leaves it."""
        if node.steps == 0:
            return x
        graph, shape, dtype = self.graph, (node.steps, *self.network.shapes[name]), self.types[name]
        held = graph.state(f"{name}.held", shape, dtype)
        axis = graph.constant(f"{name}.axis", np.array([1]))
        end = graph.constant(f"{name}.end", np.array([node.steps + 1]))
        graph.add("Unsqueeze", f"{name}.newest", [x, axis], [f"{name}.newest"])
        graph.add("Concat", f"{name}.queue", [held, f"{name}.newest"], [f"{name}.queue"], axis=1)
        graph.add("Slice", f"{name}.rest", [f"{name}.queue", axis, end, axis], [f"{name}.held{NEXT}"])
        graph.output(f"{name}.held{NEXT}", shape, dtype)
        graph.add("Gather", name, [held, graph.constant(f"{name}.oldest", np.array(0))], [f"{name}.late"], axis=1)
        return f"{name}.late"

    def _output(self, name: str) -> None:
        """Spikes, or the potential of a readout."""
        layer = self.network.output_layer
        readout = self.network.neurons[layer].is_readout
        dtype = integers.SUMS if readout and self.network.on_grid else self.types[layer]
        value = f"{layer}.v{NEXT}" if readout else self.graph.values[layer]
        self.graph.output("output", self.network.shapes[layer], dtype, of=value)


def _value_types(network: Network) -> dict[str, type]:
    """What travels from each node: floats; on the grid int64 sums after a synapse, also through Flatten and Delay."""
    if not network.on_grid:
        return dict.fromkeys(network.nodes, floats.FLOAT)
    types: dict[str, type] = dict.fromkeys(network.nodes, integers.SPIKES)
    for _ in range(2):  # the second time round for what recurrent edges bring
        for name in network.order:
            if isinstance(network.nodes[name], Dense | Conv):
                types[name] = integers.SUMS
            elif isinstance(network.nodes[name], Flatten | Delay):
                types[name] = _input_type(network, name, types)
    return types


def _input_type(network: Network, name: str, types: dict[str, type]) -> type:
    node = network.nodes[name]
    if isinstance(node, GridNeuron):
        return integers.SUMS
    if isinstance(node, Flatten | Delay) and any(types[source] is integers.SUMS for source in network.sources(name)):
        return integers.SUMS
    return types[network.input]
