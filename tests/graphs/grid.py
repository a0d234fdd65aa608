"""Random networks on the grid: every node and parameter that the reader can give, or what a chip takes of it."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from deploy.network import (
    RESET_MECHANISMS,
    Array,
    Conv,
    Dense,
    GridNeuron,
    Network,
    Node,
)
from tests.builders import even, events
from tests.deploy.runners.reference import simulate
from tests.graphs.choices import Choices, Drawn, Seeded
from tests.graphs.networks import NetworkGraph
from tests.graphs.skeleton import Edge, Geometry, Shape


@st.composite
def cases(draw: st.DrawFn) -> tuple["GridGraph", Array]:
    """A graph and frames (R, T, ...) for it."""
    choices = Drawn(draw)
    graph = GridGraph(choices)
    shape = (choices.one_of(range(1, 4)), choices.one_of([7, 2, 1, 16]), *graph.shapes["input"])
    counts = choices.rng.integers(1, graph.largest + 1, shape)
    return graph, (counts * (choices.rng.random(shape) < choices.one_of([0.3, 0.1, 0.02, 0.9]))).astype(np.uint8)


def networks() -> st.SearchStrategy[tuple[Network, Array]]:
    """The graphs of `cases` as networks, those left out that nobody may run, and their frames."""
    return cases().filter(lambda case: not case[0].refused).map(lambda case: (case[0].network, case[1]))


class GridGraph(NetworkGraph):
    """With weights beyond eight bits and states that wrap and saturate."""

    def __init__(self, choices: Choices, *, stages: int = 3) -> None:
        self.largest = self.max_count = choices.one_of([1, 1, 1, 3, 255])
        super().__init__(choices, stages=stages)
        scales = {name: self.one_of(0, 6, -2) for name, node in self.nodes.items() if isinstance(node, GridNeuron)}
        self.network = Network(nodes=self.nodes, edges=tuple(self.edges), scale_bits=scales)

    def dense(self, outputs: int, inputs: int) -> Node:
        return Dense(weight=self.weights(outputs, inputs), weight_exp=self.exponent())

    def convolution(self, outputs: int, channels: int, size: Shape, geometry: Geometry) -> Node:
        return Conv(
            weight=self.weights(outputs, channels // geometry.groups, *geometry.kernel),
            stride=geometry.stride,
            padding=geometry.padding,
            dilation=geometry.dilation,
            groups=geometry.groups,
            weight_exp=self.exponent(),
        )

    def weights(self, *shape: int) -> Array:
        """Mostly on the eight-bit grid, more excitation than inhibition; at times all ones, tiny, or beyond int16."""
        if self.simple:  # what netx holds
            return even(self.rng, *shape)
        largest = self.one_of(254, 1, 40, 254, 3000, 40000)
        return self.rng.integers(-largest // 2, largest + 1, shape).astype(self.one_of("i4", "i8"))

    def exponent(self) -> int:
        return self.one_of(0, 0, 0, 1, 4, *(() if self.simple else (-1, -3)))

    def neurons(self, shape: Shape, *, readout: bool = False) -> Node:
        cells = GridNeuron(
            shape=shape,
            du=self.parameter(shape, *self.one_of((4095, 4095), (0, 4095), (3000, 4095))),
            dv=self.parameter(shape, *self.one_of((0, 0), (0, 4096), (100, 400), (4096, 4096))),
            vth=self.parameter(shape, *self.one_of((0, 50), (0, 50), (100, 3000), (100000, 131071))),
            bias=self.parameter(shape, *self.one_of((0, 0), (-900, 3000), (-(1 << 19), 1 << 19))),
        )
        if readout:
            return replace(cells, vth=None)
        if self.simple:
            alike = {name: np.asarray(getattr(cells, name).flat[0]) for name in ("du", "dv", "vth")}
            return replace(cells, bias=cells.bias // 64 * 64, **alike)
        mechanism = self.one_of("zero", *RESET_MECHANISMS)
        return replace(cells, reset_mechanism=mechanism, reset_delay=self.one_of(False, False, True))

    def parameter(self, shape: Shape, low: int, high: int) -> Array:
        """One value, one a channel or one a neuron, from low to high."""
        shapes = ((), (shape[0], *(1,) * (len(shape) - 1)), shape)
        return self.rng.integers(low, high + 1, self.one_of(*shapes))


class ChipGraph(GridGraph):
    """What Lava takes: weights of eight bits, biases of 13 with an exponent, no state beyond 24 bits."""

    def weights(self, *shape: int) -> Array:
        return even(self.rng, *shape)

    def exponent(self) -> int:
        return self.one_of(0, 0, 1, -1)

    def neurons(self, shape: Shape, *, readout: bool = False) -> Node:
        cells = super().neurons(shape, readout=readout)
        bias = self.rng.integers(-100, 200, (shape[0], *(1,) * (len(shape) - 1))) << self.one_of(0, 0, 3)
        du, dv = self.one_of(4095, 4095, 2000, 500), self.one_of(0, 200, 2000, 4095)
        assert isinstance(cells, GridNeuron)
        return replace(cells, du=np.asarray(du), dv=np.asarray(dv), bias=bias)


def chip_case(seed: int) -> tuple[Network, Array, set[Edge]]:
    """A network for Lava, frames (R, T, ...) and its late edges; each layer spikes in part of its steps, or wholly."""
    graph = ChipGraph(Seeded(seed))
    network = graph.network
    frames = events(graph.rng, 2, 12, network.input_shape, rate=0.3) * graph.rng.integers(1, 3, dtype=np.uint8)
    for name, node in network.neurons.items():
        assert isinstance(node, GridNeuron)
        if node.is_readout:
            continue
        silent = network.replace(nodes={**network.nodes, name: replace(node, vth=None)})
        potential = np.quantile(np.stack(simulate(silent, frames, late=graph.late).v[name]), 0.8)
        vth = np.asarray(int(np.clip(potential // 64, 0, (1 << 17) - 1)))
        network = network.replace(nodes={**network.nodes, name: replace(node, vth=vth)})
    return network, frames, graph.late
