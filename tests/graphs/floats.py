"""Random float networks whose sums float32 holds exactly, so that no order of summation decides a spike."""

import numpy as np
from hypothesis import strategies as st

from deploy.network import (
    RESET_MECHANISMS,
    Array,
    Conv,
    Dense,
    FloatNeuron,
    Network,
    Node,
    Scale,
)
from tests.graphs.choices import Drawn
from tests.graphs.networks import NetworkGraph
from tests.graphs.skeleton import Geometry, Shape


@st.composite
def float_cases(draw: st.DrawFn) -> tuple[Network, Array]:
    """A float network and frames (R, T, ...) for it."""
    choices = Drawn(draw)
    graph = FloatGraph(choices)
    shape = (choices.one_of(range(1, 4)), choices.one_of([9, 2, 1, 16]), *graph.shapes["input"])
    counts = choices.rng.integers(1, choices.one_of([1, 1, 1, 3, 255]) + 1, shape)
    frames = (counts * (choices.rng.random(shape) < choices.one_of([0.3, 0.1, 0.9]))).astype(np.uint8)
    return Network(nodes=graph.nodes, edges=tuple(graph.edges)), frames


class FloatGraph(NetworkGraph):
    """Neurons of any leak, current, gain, bias and reset, or as snnTorch's own have it."""

    def factor(self, shape: Shape) -> Node:
        factor = self.rng.choice([0.5, 1, 2, 0.25], self.one_of((), shape))
        return Scale(factor=np.asarray(factor, np.float32))

    def dense(self, outputs: int, inputs: int) -> Node:
        return Dense(weight=self.eighths(outputs, inputs), bias=self.bias(outputs))

    def convolution(self, outputs: int, channels: int, size: Shape, geometry: Geometry) -> Node:
        return Conv(
            weight=self.eighths(outputs, channels // geometry.groups, *geometry.kernel),
            bias=self.bias(outputs),
            stride=geometry.stride,
            padding=geometry.padding,
            dilation=geometry.dilation,
            groups=geometry.groups,
        )

    def bias(self, outputs: int) -> Array | None:
        return self.eighths(outputs) if self.chance(0.4) else None

    def eighths(self, *shape: int) -> Array:
        return (self.rng.integers(-4, 9, shape) / 8).astype(np.float32)

    def neurons(self, shape: Shape, *, readout: bool = False) -> Node:
        mechanism, late = self.choices.one_of(RESET_MECHANISMS), self.one_of(False, True)
        plain, current = self.one_of(True, False), self.chance(0.4)
        threshold = self.uniform(shape, 0.3, 3)
        reset = np.zeros((), np.float32) if mechanism != "subtract" else threshold
        if not plain and mechanism != "none":
            reset = self.uniform(shape, -0.5, 0.5) + reset
        return FloatNeuron(
            shape=shape,
            keep=self.uniform(shape, 0, 1) if self.chance(0.8) else np.ones((), np.float32),
            gain=np.ones((), np.float32) if plain else self.uniform(shape, 0.5, 2),
            bias=np.zeros((), np.float32) if plain else self.uniform(shape, -0.2, 0.4),
            threshold=None if readout else threshold,
            reset=np.asarray(reset),
            reset_mechanism=mechanism,
            reset_delay=late,
            current_keep=self.uniform(shape, 0, 1) if current else None,
            current_gain=self.uniform(shape, 0.5, 2) if current and not plain else None,
        )

    def uniform(self, shape: Shape, low: float, high: float) -> Array:
        """One value, one a channel or one a neuron."""
        shapes = ((), (shape[0], *(1,) * (len(shape) - 1)), shape)
        return np.asarray(self.rng.uniform(low, high, self.one_of(*shapes)), np.float32)
