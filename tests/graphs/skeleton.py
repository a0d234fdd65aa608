"""The shape of a random graph: stages of pooling, delay, synapse and neurons; shortcuts, cycles, a readout.

It knows no number and no node: a subclass makes those, on the grid, in floats or for NIR. Shapes are worked out here,
and which edges carry the step before is known from how the cycles were laid: no line of the product is asked.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Generic, TypeVar

from tests.graphs.choices import Choices, T

Shape = tuple[int, ...]
Edge = tuple[str, str]
Node = TypeVar("Node")


@dataclass(frozen=True)
class Geometry:
    """Of a convolution or a pooling."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def after(self, size: Sequence[int]) -> Shape:
        """Height and width of what it gives."""
        return tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(size, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        )


class Skeleton(ABC, Generic[Node]):
    """Adds stage after stage; `last` is the node whose output comes next, `shape` that of its output.

    simple: a chain, for formats that hold no other. late: the edges that carry the step before. refused: whether a
    cycle does not say which of its edges do.
    """

    max_count = 1

    def __init__(self, choices: Choices, *, stages: int = 3) -> None:
        self.choices, self.rng = choices, choices.rng
        self.simple, self.loops = self.one_of(True, False, False), self.one_of(False, True)
        flat = self.one_of(True, False)
        self.shape: Shape = (self.one_of(1, 5, 12),) if flat else (self.one_of(1, 2, 4), *self.two(3, 8))
        self.nodes: dict[str, Node] = {"input": self.input(self.shape)}
        self.shapes: dict[str, Shape] = {"input": self.shape}
        self.edges: list[Edge] = []
        self.late: set[Edge] = set()
        self.refused = False
        self.layers: list[str] = []
        self.skipped: set[str] = set()
        self.last = "input"
        for _ in range(self.one_of(*range(1, stages + 1))):
            self.stage()
        self.feedback()
        if self.chance(0.3):
            self.synapse()
            self.add("readout", self.neurons(self.shape, readout=True), self.shape)
        self.add("output", self.output(self.shape), self.shape)

    def __repr__(self) -> str:
        """What a failing test shows."""
        nodes = ", ".join(f"{name!r}: {node!r}" for name, node in self.nodes.items())
        return f"nodes = {{{nodes}}}; edges = {self.edges}; late = {self.late}"

    @abstractmethod
    def input(self, shape: Shape) -> Node: ...

    @abstractmethod
    def output(self, shape: Shape) -> Node: ...

    @abstractmethod
    def dense(self, outputs: int, inputs: int) -> Node: ...

    @abstractmethod
    def convolution(self, outputs: int, channels: int, size: Shape, geometry: Geometry) -> Node: ...

    @abstractmethod
    def neurons(self, shape: Shape, *, readout: bool = False) -> Node: ...

    @abstractmethod
    def flatten(self, shape: Shape) -> Node: ...

    @abstractmethod
    def delay(self, steps: int, shape: Shape) -> Node: ...

    @abstractmethod
    def pooling(self, geometry: Geometry) -> Sequence[Node]:
        """The sum over windows, or their mean."""

    def factor(self, shape: Shape) -> Node | None:
        """What multiplies each value; None where there is no such node."""
        return None

    def one_of(self, *values: T) -> T:
        return self.choices.one_of(values)

    def two(self, low: int, high: int) -> tuple[int, int]:
        values = range(low, high + 1)
        return self.choices.one_of(values), self.choices.one_of(values)

    def chance(self, share: float) -> bool:
        """For what is there in such a share of the places."""
        return self.choices.one_of(range(100)) >= 100 - share * 100

    def place(self, kind: str, node: Node, shape: Shape, *sources: str) -> str:
        """A node beside the way."""
        name = f"{kind}{len(self.nodes)}"
        self.nodes[name], self.shapes[name] = node, shape
        self.edges += [(source, name) for source in sources]
        return name

    def add(self, kind: str, node: Node, shape: Shape) -> str:
        """A node on the way."""
        self.last = self.place(kind, node, shape, self.last)
        self.shape = shape
        return self.last

    def stage(self) -> None:
        self.pool()
        self.wait(0.2)
        if len(self.shape) == 3 and self.chance(0.3):
            self.add("flatten", self.flatten(self.shape), (prod(self.shape),))
            self.wait(0.1)
        self.scale(0.2)
        before, skip = (self.last, self.shape), self.layers[-2:-1]
        self.synapse()
        self.wait(0.1)
        arriving = [] if self.simple else self.other_ways(before, skip)
        lif = self.add("lif", self.neurons(self.shape), self.shape)
        self.edges += [(source, lif) for source in dict.fromkeys(arriving)]
        self.layers.append(lif)
        for _ in range(self.one_of(0, 0, 1, 2) if self.loops and not self.simple else 0):
            self.back(lif, lif)
        self.max_count = 1

    def pool(self) -> None:
        if len(self.shape) == 3 and min(self.shape[1:]) >= 3 and self.max_count * 9 < 256 and self.chance(0.4):
            kernel = self.two(1, 3)
            padding = (self.one_of(0, kernel[0] // 2), self.one_of(0, kernel[1] // 2))
            even = self.one_of(True, False)
            geometry = Geometry(kernel, kernel) if even else Geometry(kernel, self.two(1, 3), padding)
            first, *rest = self.pooling(geometry)
            self.add("pool", first, (self.shape[0], *geometry.after(self.shape[1:])))
            for node in rest:
                self.add("mean", node, self.shape)

    def wait(self, share: float) -> None:
        if not self.simple and self.chance(share):
            self.add("delay", self.delay(self.one_of(1, 2, 5), self.shape), self.shape)

    def scale(self, share: float) -> None:
        if self.chance(share) and (node := self.factor(self.shape)) is not None:
            self.add("scale", node, self.shape)

    def synapse(self) -> None:
        """From what is there to any size."""
        if len(self.shape) == 1:
            outputs = self.one_of(1, 10, 17, 70)
            self.add("dense", self.dense(outputs, self.shape[0]), (outputs,))
            return
        channels, *size = self.shape
        groups = self.one_of(1, 2)
        geometry = Geometry(
            self.two(1, 3), self.two(1, 3), self.two(0, 2), self.two(1, 2), 1 if channels % groups else groups
        )
        if min(geometry.after(size)) < 1:
            geometry = Geometry((1, 1))
        outputs = geometry.groups * self.one_of(1, 2, 18)
        node = self.convolution(outputs, channels, tuple(size), geometry)
        self.add("conv", node, (outputs, *geometry.after(size)))

    def between(self, source: Shape, target: Shape) -> Node | None:
        """A synapse from one shape to another; None where there is no simple one."""
        if len(source) == len(target) == 1:
            return self.dense(target[0], source[0])
        if len(source) == len(target) == 3 and source[1:] == target[1:]:
            width = self.one_of(1, 3)
            geometry = Geometry((width, width), padding=(width // 2, width // 2))
            return self.convolution(target[0], source[0], source[1:], geometry)
        return None

    def other_ways(self, before: tuple[str, Shape], skip: list[str]) -> list[str]:
        """Ways beside the synapse, from where that begins and from one layer further back."""
        found = self.second_way(*before) if self.chance(0.3) else []
        if skip and self.chance(0.5):
            passing = self.second_way(skip[0], self.shapes[skip[0]])
            self.skipped |= {self.layers[-1]} if passing else set()
            found += passing
        return found

    def second_way(self, before: str, shape: Shape) -> list[str]:
        """Another synapse from there to the same neurons, or the source itself where the shapes agree."""
        if shape == self.shape and self.chance(0.5):
            return [before] if (before, self.last) not in self.edges else []
        node = self.between(shape, self.shape)
        return [] if node is None else [self.place("shortcut", node, self.shape, before)]

    def back(self, source: str, target: str, *, odd: bool = False) -> None:
        """A way back to neurons, plain or through a delay and a synapse, if the shapes allow one.

        odd: only a delay says which edge of the cycle carries the step before.
        """
        before, shape = self.shapes[source], self.shapes[target]
        node = self.between(before, shape) if before != shape or self.chance(0.7) else None
        waits = self.chance(0.6 if odd else 0.2)
        if node is None and (before != shape or (not waits and (source, target) in self.edges)):
            return
        way = [source]
        if waits:
            way.append(self.place("wait", self.delay(self.one_of(1, 3), before), before, source))
        if node is not None:
            way.append(self.place("back", node, shape, way[-1]))
        way.append(target)
        self.edges.append((way[-2], target))
        self.late.add((way[1], way[2]) if odd and waits else (way[-2], target))
        self.refused = odd and not waits

    def feedback(self) -> None:
        """From later neurons to earlier ones. A layer between that a shortcut passes leaves the cycle two entries."""
        if self.simple or len(self.layers) < 2 or not self.chance(0.5):
            return
        passed = [place for place, name in enumerate(self.layers[:-1]) if name in self.skipped]
        first = self.one_of(*passed, *range(len(self.layers) - 1))
        last = self.one_of(*range(first + 1, len(self.layers)))
        odd = self.layers[first] in self.skipped
        waits = any(name.startswith(("delay", "wait")) for name in self.nodes)
        if odd and (waits or len(self.late) > 0):
            return  # which edges are late would depend on more than this cycle
        self.back(self.layers[last], self.layers[first], odd=odd)
