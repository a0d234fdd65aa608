"""Who sees whose spikes at which step: the order of a simulation, written once for every simulator that steps a graph.

Two schedules. Layer-synchronous, as the student is trained: a spike reaches the next layer in the same step. Pipelined,
as the chip runs: every spike travels one step, so a layer of depth k works on input step t - k, and its state is
zeroed when its first input arrives (Lava's LIFReset with one reset_offset a layer).
"""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from deploy.errors import UnsupportedError
from deploy.network import (
    Conv,
    Delay,
    Dense,
    Flatten,
    GridNeuron,
    Input,
    Network,
    Neuron,
    Output,
    Scale,
    Shape,
    SumPool,
)

SCHEDULES = ("synchronous", "pipelined")

Values = TypeVar("Values")
"""What nodes pass on: an array of (R, T, ...) in whatever library and layout the arithmetic likes."""


class Arithmetic(Protocol[Values]):
    """What the nodes of a graph do to values; the state of the neurons lives here."""

    def enter(self, frames: Values) -> Values:
        """Bring frames (R, T, *shape) into this arithmetic's layout."""
        ...

    def synapse(self, name: str, x: Values) -> Values:
        """Weighted sums, and factors where the arithmetic has them."""
        ...

    def neurons(self, name: str, x: Values) -> Values:
        """Take the state of layer `name` through the steps of x; gives the spikes."""
        ...

    def reset(self, name: str) -> None:
        """Zero the state of layer `name`."""
        ...

    def flatten(self, x: Values) -> Values:
        """To (R, T, n), channel first."""
        ...

    def zeros(self, shape: Shape, like: Values, steps: int) -> Values:
        """Zeros for `steps` steps of a node of `shape`, with as many recordings as `like`."""
        ...

    def add(self, values: Sequence[Values]) -> Values:
        """The elementwise sum of what several edges bring."""
        ...

    def cut(self, x: Values, start: int, stop: int) -> Values:
        """The steps from start to stop."""
        ...

    def join(self, parts: Sequence[Values]) -> Values:
        """Steps after steps."""
        ...


class Walk(Generic[Values]):
    """A simulation under way: `advance` takes further steps and keeps the state, as a live camera needs."""

    def __init__(self, network: Network, arithmetic: Arithmetic[Values], schedule: str = "synchronous") -> None:
        if schedule not in SCHEDULES:
            raise UnsupportedError(f"schedule {schedule!r} is not known; use one of {SCHEDULES}")
        self._network = network
        self._arithmetic = arithmetic
        self._pipelined = schedule == "pipelined"
        self._late = _late_edges(network, self._pipelined)
        self._order = _order(network, self._late)
        self._step = 0
        self._previous: dict[str, Values] = {}
        self._delayed: dict[str, Values] = {}

    def advance(self, frames: Values, steps: int) -> None:
        """Take the `steps` steps of frames (R, T, *input_shape); the arithmetic keeps what is to be kept."""
        if not self._late:
            self._take(frames, steps)
            return
        for t in range(steps):
            self._take(self._arithmetic.cut(frames, t, t + 1), 1)

    def _take(self, frames: Values, steps: int) -> None:
        network, arithmetic = self._network, self._arithmetic
        values = {network.input: arithmetic.enter(frames)}
        for name in self._order:
            node = network.nodes[name]
            if isinstance(node, Input):
                continue
            x = self._arriving(name, values, steps)
            match node:
                case Dense() | Conv() | SumPool() | Scale():
                    values[name] = arithmetic.synapse(name, x)
                case GridNeuron() | Neuron():
                    if self._pipelined and self._step == network.depth[name]:
                        arithmetic.reset(name)
                    values[name] = arithmetic.neurons(name, x)
                case Flatten():
                    values[name] = arithmetic.flatten(x)
                case Delay():
                    values[name] = self._delay(name, node, x, steps)
                case Output():
                    values[name] = x
                case _:
                    raise UnsupportedError(f"{name}: a {type(node).__name__} cannot be stepped; fold it first")
        for source, _ in self._late:
            self._previous[source] = arithmetic.cut(values[source], steps - 1, steps)
        self._step += steps

    def _arriving(self, name: str, values: dict[str, Values], steps: int) -> Values:
        """The sum of what the edges into `name` bring, each from this step or the one before."""
        arriving = []
        for source in self._network.sources(name):
            if (source, name) not in self._late:
                arriving.append(values[source])
            elif source in self._previous:
                arriving.append(self._previous[source])
            else:
                like = values[self._network.input]
                arriving.append(self._arithmetic.zeros(self._network.shapes[source], like, steps))
        return arriving[0] if len(arriving) == 1 else self._arithmetic.add(arriving)

    def _delay(self, name: str, node: Delay, x: Values, steps: int) -> Values:
        held = self._delayed.get(name)
        if held is None:
            held = self._arithmetic.zeros(self._network.shapes[name], x, node.steps)
        both = self._arithmetic.join([held, x])
        self._delayed[name] = self._arithmetic.cut(both, steps, steps + node.steps)
        return self._arithmetic.cut(both, 0, steps)


def shifts(network: Network, schedule: str) -> dict[str, int]:
    """By layer, the step at which it sees the first input."""
    return {name: network.depth[name] if schedule == "pipelined" else 0 for name in network.neurons}


def _late_edges(network: Network, pipelined: bool) -> frozenset[tuple[str, str]]:
    """The edges that carry the step before: recurrent ones, and on a pipeline all that leave an input or neuron."""
    if not pipelined:
        return network.recurrent_edges
    sources = (Input, GridNeuron, Neuron)
    return frozenset(edge for edge in network.edges if isinstance(network.nodes[edge[0]], sources))


def _order(network: Network, late: frozenset[tuple[str, str]]) -> tuple[str, ...]:
    """The nodes such that each comes after what reaches it in the same step.

    A pipeline's differs from `network.order`: a synapse from neurons back to themselves comes before them.
    """
    order: list[str] = []
    waiting = list(network.order)
    while waiting:
        ready = [
            name
            for name in waiting
            if all(source in order or (source, name) in late for source in network.sources(name))
        ]
        if not ready:
            raise UnsupportedError(f"nodes {waiting} form a cycle without neurons; a pipeline cannot step it")
        order += ready
        waiting = [name for name in waiting if name not in ready]
    return tuple(order)
