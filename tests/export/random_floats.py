"""Random float networks whose sums float32 holds exactly, so that no order of summation decides a spike."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from deploy.network import RESET_MECHANISMS, Array, Conv, Dense, FloatNeuron, Network, Output, Scale, Shape
from tests.deploy.runners.random_networks import Builder


@st.composite
def float_cases(draw: st.DrawFn) -> tuple[Network, Array]:
    """A float network and frames (R, T, ...) for it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    builder = _Floats(draw, rng)
    for _ in range(draw(st.integers(1, 3))):
        builder.stage()
    network = builder.finish()
    shape = (draw(st.integers(1, 3)), draw(st.sampled_from([9, 2, 1, 16])), *network.input_shape)
    counts = rng.integers(1, builder.max_count + 1, shape) * (
        rng.random(shape) < draw(st.sampled_from([0.3, 0.1, 0.9]))
    )
    return network, counts.astype(np.uint8)


class _Floats(Builder):
    """The stages of the networks on the grid, in floats."""

    def synapse(self) -> None:
        if self.chance(0.2):
            factor = self.rng.choice([0.5, 1, 2, 0.25], self.shape if self.chance(0.5) else ())
            self.add("scale", Scale(factor=np.asarray(factor, np.float32)))
        super().synapse()
        node = self.nodes[self.last]
        if isinstance(node, Dense | Conv) and self.chance(0.4):
            self.nodes[self.last] = replace(node, bias=self.weights(len(node.weight)))

    def weights(self, *shape: int) -> Array:
        """Eighths."""
        return (self.rng.integers(-4, 9, shape) / 8).astype(np.float32)

    def exponent(self) -> int:
        return 0

    def finish(self) -> Network:
        if self.chance(0.3):
            super().synapse()
            self.add("readout", replace(self.cells(self.shape), threshold=None))
        self.add("output", Output())
        return Network(nodes=self.nodes, edges=tuple(self.edges))

    def cells(self, shape: Shape) -> FloatNeuron:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Leaks, currents, gains and biases of any kind, or none at all, as snnTorch's own neurons have it."""
        mechanism, late = self.draw(st.sampled_from(RESET_MECHANISMS)), self.chance(0.5)
        plain, current = self.chance(0.5), self.chance(0.4)
        threshold = self.uniform(shape, 0.3, 3)
        reset = np.zeros((), np.float32) if mechanism != "subtract" else threshold
        if not plain and mechanism != "none":
            reset = self.uniform(shape, -0.5, 0.5) + reset
        return FloatNeuron(
            shape=shape,
            keep=self.uniform(shape, 0, 1) if self.chance(0.8) else np.ones((), np.float32),
            gain=np.ones((), np.float32) if plain else self.uniform(shape, 0.5, 2),
            bias=np.zeros((), np.float32) if plain else self.uniform(shape, -0.2, 0.4),
            threshold=threshold,
            reset=reset,
            reset_mechanism=mechanism,
            reset_delay=late,
            current_keep=self.uniform(shape, 0, 1) if current else None,
            current_gain=self.uniform(shape, 0.5, 2) if current and not plain else None,
        )

    def uniform(self, shape: Shape, low: float, high: float) -> Array:
        """One value, one a channel or one a neuron."""
        shapes = [(), (shape[0], *(1,) * (len(shape) - 1)), shape]
        return np.asarray(self.rng.uniform(low, high, self.draw(st.sampled_from(shapes))), np.float32)
