"""A spiking network as a graph of numpy arrays: what every reader makes, every runner runs and the quantizer works on.

Nodes do one thing each and edges say what feeds what; several edges into one node add up. A network is on the grid
when its arrays hold integers and its neurons are `GridNeuron`s, else it is a float network of `FloatNeuron`s.

A step is layer-synchronous unless a runner says otherwise: every node sees this step's output of its sources, except
over a recurrent edge (one that closes a cycle), which carries the output of the step before; at first, what its source
gives without any spike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from ckd.events import Binning
from deploy.errors import ModelError
from deploy.network.neurons import GridNeuron, Neuron
from deploy.network.nodes import Delay, Input, Node, Output
from deploy.network.parameters import ParameterChange
from deploy.network.recurrence import recurrent_edges
from deploy.network.shapes import output_shape
from deploy.network.summary import table_of
from deploy.network.types import Edge, Shape


@dataclass(frozen=True, kw_only=True)
class Network:
    """Nodes by name, edges, and what the file says of time and classes.

    `dt` is the step in seconds as far as neuron constants are concerned; `binning` says how recordings become frames
    (None: unknown); `classes` are the names of the outputs, in order (empty: unknown). Of a network on the grid, `chip`
    says whose grid it is, `scale_bits` maps each neuron to the k with which its integers are written as w / 2^k, and
    `report` tells what quantizing changed, and `exit_margin` by how much the leading class is to be ahead for a
    recording to end early (`deploy.traces.exits`; None: it was not chosen).
    """

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    dt: float = 1e-4
    binning: Binning | None = None
    classes: tuple[str, ...] = ()
    chip: str | None = None
    scale_bits: Mapping[str, int] = field(default_factory=dict)
    report: tuple[ParameterChange, ...] = ()
    exit_margin: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))
        for edge in self.edges:
            for end in edge:
                if end not in self.nodes:
                    raise ModelError(f"edge {edge[0]} -> {edge[1]}: there is no node {end!r}")
        for kind in (Input, Output):
            names = [name for name, node in self.nodes.items() if isinstance(node, kind)]
            if len(names) != 1:
                raise ModelError(f"a network needs exactly one {kind.__name__} node; this one has {names}")

    def __repr__(self) -> str:
        inputs, kinds = " x ".join(map(str, self.input_shape)), len(self.neurons)
        kept = f"on the grid of {self.chip}" if self.chip else "on a grid" if self.on_grid else "floats"
        classes = f", {len(self.classes)} classes" if self.classes else ""
        return f"<Network of {inputs} inputs, {len(self.nodes)} nodes, {kinds} layers of neurons{classes}; {kept}>"

    def summary(self) -> str:
        """A line a node, in order: shape of its output, neurons, synapses, decays, threshold, sources."""
        return table_of(self.order, self.nodes, self.shapes, self.edges)

    @property
    def on_grid(self) -> bool:
        """Whether every neuron lies on the integer grid."""
        return all(isinstance(node, GridNeuron) for node in self.neurons.values())

    @cached_property
    def neurons(self) -> dict[str, Neuron]:
        """The nodes with a state, in order of execution."""
        return {name: node for name in self.order if isinstance(node := self.nodes[name], Neuron)}

    @cached_property
    def input(self) -> str:
        return next(name for name, node in self.nodes.items() if isinstance(node, Input))

    @cached_property
    def output(self) -> str:
        return next(name for name, node in self.nodes.items() if isinstance(node, Output))

    @property
    def input_shape(self) -> Shape:
        node = self.nodes[self.input]
        assert isinstance(node, Input)
        return node.shape

    @cached_property
    def output_layer(self) -> str:
        """The neurons that feed the output. Raises ModelError where the output is not fed by one layer of neurons."""
        sources = self.sources(self.output)
        if len(sources) != 1 or sources[0] not in self.neurons:
            raise ModelError(f"{self.output}: is fed by {sources}; a prediction needs one layer of neurons there")
        return sources[0]

    def sources(self, name: str) -> list[str]:
        """The nodes that feed `name`, in the order of the edges."""
        return [source for source, target in self.edges if target == name]

    def targets(self, name: str) -> list[str]:
        """The nodes that `name` feeds, in the order of the edges."""
        return [target for source, target in self.edges if source == name]

    @cached_property
    def recurrent_edges(self) -> frozenset[Edge]:
        """The edges that close a cycle and carry the step before (`deploy.network.recurrence`).

        Raises:
            UnsupportedError: a cycle with several entries, in which no Delay says where its step passes.
        """
        delays = [name for name, node in self.nodes.items() if isinstance(node, Delay)]
        return recurrent_edges(self.input, self.edges, delays)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Node names such that each comes after its sources, recurrent edges aside."""
        forward = [edge for edge in self.edges if edge not in self.recurrent_edges]
        waiting = {name: sum(target == name for _, target in forward) for name in self.nodes}
        ready = [name for name in self.nodes if waiting[name] == 0]
        order: list[str] = []
        while ready:
            name = ready.pop(0)
            order.append(name)
            for source, target in forward:
                if source == name:
                    waiting[target] -= 1
                    if waiting[target] == 0:
                        ready.append(target)
        if len(order) < len(self.nodes):
            stuck = [name for name in self.nodes if name not in order]
            raise ModelError(f"nodes {stuck} form a cycle that the input does not reach")
        return tuple(order)

    @cached_property
    def depth(self) -> dict[str, int]:
        """For each node, the number of neuron layers on the longest way from the input up to and with it."""
        depth: dict[str, int] = {}
        for name in self.order:
            before = [depth[source] for source in self.sources(name) if (source, name) not in self.recurrent_edges]
            depth[name] = max(before, default=0) + isinstance(self.nodes[name], Neuron)
        return depth

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """The shape of one step's output of every node.

        Raises:
            ModelError: a node that nothing feeds, branches of different shapes, or a node that its input does not fit.
        """
        shapes: dict[str, Shape] = {}
        for name in self.connected:
            node = self.nodes[name]
            known = [source for source in self.sources(name) if source in shapes]
            shapes[name] = node.shape if isinstance(node, Input) else output_shape(name, node, shapes[known[0]])
        for name in self.order:
            late = [source for source in self.sources(name) if (source, name) in self.recurrent_edges]
            incoming = {source: shapes[source] for source in self.sources(name) if source not in late}
            if len(set(incoming.values())) > 1:
                raise ModelError(f"{name}: branches of different shapes meet in it: {incoming}")
            expected = next(iter(incoming.values()), None)
            for source in late:
                expected = expected or shapes[source]
                if shapes[source] != expected:
                    raise ModelError(f"{source} -> {name}: brings {shapes[source]} where {expected} is expected")
        return shapes

    @cached_property
    def connected(self) -> tuple[str, ...]:
        """Node names such that each, but the input, comes after one of its sources.

        Raises:
            ModelError: a node to which no way leads from the input.
        """
        found: dict[str, None] = {}
        waiting = list(self.order)
        while waiting:
            before = len(found)
            for name in waiting:
                if name == self.input or any(source in found for source in self.sources(name)):
                    found[name] = None
            waiting = [name for name in waiting if name not in found]
            if len(found) == before:
                kind = type(self.nodes[waiting[0]]).__name__
                raise ModelError(f"{waiting[0]} ({kind}): nothing feeds it; connect it or remove it")
        return tuple(found)

    def replace(self, **changes: Any) -> "Network":
        """A copy with other fields."""
        return replace(self, **changes)

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping can be neither copied nor pickled, and a module that holds a network is.
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return _rebuilt, (type(self), {**values, "nodes": dict(self.nodes)})


def _rebuilt(kind: type[Network], values: dict[str, Any]) -> Network:
    return kind(**values)
