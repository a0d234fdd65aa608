"""Random networks on the grid for property tests: every node and every parameter that the reader can give."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from deploy.network import Array, Conv, Delay, Dense, Flatten, GridNeuron, Input, Network, Node, Output, Shape, SumPool
from deploy.network.shapes import output_shape


@st.composite
def cases(draw: st.DrawFn) -> tuple[Network, Array]:
    """A network and frames (R, T, ...) for it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    builder = Builder(draw, rng)
    for _ in range(draw(st.integers(1, 3))):
        builder.stage()
    network = builder.finish()
    steps = draw(st.sampled_from([7, 2, 1, 16]))
    rate = draw(st.sampled_from([0.3, 0.1, 0.02, 0.9]))
    shape = (draw(st.integers(1, 3)), steps, *network.input_shape)
    counts = rng.integers(1, builder.max_count + 1, shape) * (rng.random(shape) < rate)
    return network, counts.astype(np.uint8)


class Builder:
    """Adds stage after stage; `last` is the node whose output comes next, `shape` that of its output."""

    def __init__(self, draw: st.DrawFn, rng: np.random.Generator) -> None:
        self.draw, self.rng = draw, rng
        self.max_count = draw(st.sampled_from([1, 1, 1, 3, 255]))
        flat = draw(st.booleans())
        self.shape: Shape = (self.one_of(1, 5, 40),) if flat else (self.one_of(1, 2, 4, 6), *self.two(3, 9))
        self.nodes: dict[str, Node] = {"input": Input(shape=self.shape)}
        self.edges: list[tuple[str, str]] = []
        self.last, self.largest = "input", self.max_count

    def one_of(self, *values: int) -> int:
        return self.draw(st.sampled_from(values))

    def two(self, low: int, high: int) -> tuple[int, int]:
        return self.draw(st.integers(low, high)), self.draw(st.integers(low, high))

    def chance(self, share: float) -> bool:
        return self.draw(st.integers(0, 99)) < share * 100

    def add(self, kind: str, node: Node) -> str:
        name = f"{kind}{len(self.nodes)}"
        self.nodes[name] = node
        self.edges.append((self.last, name))
        self.shape = output_shape(name, node, self.shape)
        self.last = name
        return name

    def stage(self) -> None:
        """Perhaps a pooling, a delay or a flattening; a synapse; neurons, perhaps joined or recurrent."""
        if len(self.shape) == 3 and min(self.shape[1:]) >= 3 and self.largest * 9 < 256 and self.chance(0.4):
            kernel = self.two(1, 3)
            padding = (self.one_of(0, kernel[0] // 2), self.one_of(0, kernel[1] // 2))
            self.add("pool", SumPool(kernel=kernel, stride=self.two(1, 3), padding=padding))
        if self.chance(0.2):
            self.add("delay", Delay(steps=self.one_of(1, 2, 5)))
        if len(self.shape) == 3 and self.chance(0.3):
            self.add("flatten", Flatten())
            if self.chance(0.1):
                self.add("delay", Delay(steps=1))
        before, shape = self.last, self.shape
        self.synapse()
        if self.chance(0.1):
            self.add("delay", Delay(steps=1))
        arriving = [self.last]
        if self.chance(0.3):
            arriving += self.second_way(before, shape)
        lif = self.add("lif", self.cells(self.shape))
        self.edges += [(source, lif) for source in arriving[1:]]
        if self.chance(0.2):
            self.recurrent(lif)
        self.largest = 1

    def synapse(self) -> None:
        if len(self.shape) == 1:
            outputs = self.one_of(1, 10, 17, 70)
            self.add("dense", Dense(weight=self.weights(outputs, self.shape[0]), weight_exp=self.exponent()))
        else:
            self.add("conv", self.convolution(self.one_of(1, 2, 3)))

    def convolution(self, groups: int) -> Conv:
        channels, *size = self.shape
        groups = groups if channels % groups == 0 else 1
        kernel, padding, dilation = self.two(1, 3), self.two(0, 2), self.two(1, 2)
        fits = all(n + 2 * p >= d * (k - 1) + 1 for n, p, d, k in zip(size, padding, dilation, kernel, strict=True))
        kernel = kernel if fits else (1, 1)
        outputs = groups * self.one_of(1, 2, 18)
        weight = self.weights(outputs, channels // groups, *kernel)
        return Conv(
            weight=weight,
            stride=self.two(1, 3),
            padding=padding,
            dilation=dilation,
            groups=groups,
            weight_exp=self.exponent(),
        )

    def second_way(self, before: str, shape: Shape) -> list[str]:
        """Another synapse from the same source to the same neurons, or the source itself where the shapes agree."""
        if shape == self.shape and self.chance(0.5):
            return [before]
        node = self.nodes[self.last]
        if isinstance(node, Delay):
            return []
        assert isinstance(node, Dense | Conv)
        name = f"shortcut{len(self.nodes)}"
        self.nodes[name] = replace(node, weight=self.weights(*node.weight.shape), weight_exp=self.exponent())
        self.edges.append((before, name))
        return [name]

    def recurrent(self, lif: str) -> None:
        """An edge back from the neurons to themselves, plain or through a synapse of their own."""
        if len(self.shape) == 3:
            channels = self.shape[0]
            back = Conv(weight=self.weights(channels, channels, 3, 3), padding=(1, 1))
        else:
            back = Dense(weight=self.weights(self.shape[0], self.shape[0]))
        name = f"back{len(self.nodes)}"
        if self.chance(0.7):
            self.nodes[name] = back
            self.edges += [(lif, name), (name, lif)]
        else:
            self.edges.append((lif, lif))

    def finish(self) -> Network:
        if self.chance(0.3):
            self.synapse()
            self.add("readout", replace(self.cells(self.shape), vth=None))
        self.add("output", Output())
        return Network(nodes=self.nodes, edges=tuple(self.edges))

    def weights(self, *shape: int) -> Array:
        """Mostly on the eight-bit grid, more excitation than inhibition; at times all ones, tiny, or beyond int16."""
        largest = self.draw(st.sampled_from([1, 40, 254, 254, 3000, 40000]))
        return self.rng.integers(-largest // 2, largest + 1, shape).astype(self.draw(st.sampled_from(["i4", "i8"])))

    def exponent(self) -> int:
        return self.draw(st.sampled_from([0, 0, 0, -1, -3, 1, 4]))

    def cells(self, shape: Shape) -> GridNeuron:
        return GridNeuron(
            shape=shape,
            du=self.parameter(shape, *self.draw(st.sampled_from([(4095, 4095), (0, 4095), (3000, 4095)]))),
            dv=self.parameter(shape, *self.draw(st.sampled_from([(0, 0), (0, 4096), (100, 400), (4096, 4096)]))),
            vth=self.parameter(shape, *self.draw(st.sampled_from([(0, 50), (0, 50), (100, 3000), (100000, 131071)]))),
            bias=self.parameter(shape, *self.draw(st.sampled_from([(0, 0), (-900, 3000), (-(1 << 19), 1 << 19)]))),
        )

    def parameter(self, shape: Shape, low: int, high: int) -> Array:
        """One value, one a channel or one a neuron, from low to high."""
        shapes = [(), (shape[0], *(1,) * (len(shape) - 1)), shape]
        return self.rng.integers(low, high + 1, self.draw(st.sampled_from(shapes)))
