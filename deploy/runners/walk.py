"""Who sees whose spikes at which step: the order of a simulation, written once for every simulator that steps a graph.

Two schedules. Layer-synchronous, as the student is trained: a spike reaches the next layer in the same step. Pipelined,
as the chip runs: every spike travels one step, so a layer of depth k works on input step t - k, a branch that skips
layers waits for the longer one, and a layer's state is zeroed when its first input arrives (Lava's LIFReset with one
reset_offset a layer).
"""

from collections import deque
from collections.abc import Container, Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from deploy.errors import UnsupportedError
from deploy.network import (
    Array,
    Conv,
    Delay,
    Dense,
    Edge,
    Flatten,
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


class ArrayArithmetic:
    """What is the same in every arithmetic over numpy arrays (R, T, ...); `dtype` is that of silence."""

    dtype: ClassVar[DTypeLike] = np.float32

    def flatten(self, x: Array) -> Array:
        return x.reshape(*x.shape[:2], -1)

    def zeros(self, shape: Shape, like: Array, steps: int) -> Array:
        return np.zeros((len(like), steps, *shape), self.dtype)

    def add(self, values: Sequence[Array]) -> Array:
        return sum(values[1:], start=values[0])

    def cut(self, x: Array, start: int, stop: int) -> Array:
        return x[:, start:stop]

    def join(self, parts: Sequence[Array]) -> Array:
        return np.concatenate(parts, axis=1)


class Walk(Generic[Values]):
    """A simulation under way: `advance` takes further steps and keeps the state, as a live camera needs."""

    def __init__(self, network: Network, arithmetic: Arithmetic[Values], schedule: str = "synchronous") -> None:
        if schedule not in SCHEDULES:
            raise UnsupportedError(f"schedule {schedule!r} is not known; use one of {SCHEDULES}")
        self._network = network
        self._arithmetic = arithmetic
        self._pipelined = schedule == "pipelined"
        self._lags = _pipeline_lags(network) if self._pipelined else dict.fromkeys(network.recurrent_edges, 1)
        self._order = _order(network, self._lags)
        self._step = 0
        self._past: dict[str, deque[Values]] = {
            source: deque(maxlen=max(lag for edge, lag in self._lags.items() if edge[0] == source))
            for source, _ in self._lags
        }
        self._delayed: dict[str, Values] = {}

    def advance(self, frames: Values, steps: int) -> None:
        """Take the `steps` steps of frames (R, T, *input_shape); the arithmetic keeps what is to be kept."""
        if not self._lags:
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
                case Neuron():
                    if self._pipelined and self._step == network.depth[name]:
                        arithmetic.reset(name)
                    values[name] = arithmetic.neurons(name, x)
                    if self._pipelined and self._step < network.depth[name]:
                        # No input yet: what a bias alone brings up is zeroed, and must not travel on before that.
                        values[name] = arithmetic.zeros(network.shapes[name], frames, steps)
                case Flatten():
                    values[name] = arithmetic.flatten(x)
                case Delay():
                    values[name] = self._delay(name, node, x, steps)
                case Output():
                    values[name] = x
                case _:
                    raise UnsupportedError(f"{name}: a {type(node).__name__} cannot be stepped; fold it first")
        for source, past in self._past.items():
            past.append(values[source])
        self._step += steps

    def _arriving(self, name: str, values: dict[str, Values], steps: int) -> Values:
        """The sum of what the edges into `name` bring, each from this step or from so many before as its lag says."""
        arriving = []
        for source in self._network.sources(name):
            lag = self._lags.get((source, name), 0)
            if lag == 0:
                arriving.append(values[source])
            elif lag <= len(self._past[source]):
                arriving.append(self._past[source][-lag])
            else:
                arriving.append(self._at_rest(source, values[self._network.input], steps))
        return arriving[0] if len(arriving) == 1 else self._arithmetic.add(arriving)

    def _at_rest(self, name: str, like: Values, steps: int, behind: tuple[str, ...] = ()) -> Values:
        """What a node gives before the first step: nothing spikes, but the biases of synapses are there.

        What lies on a cycle without neurons, through the nodes `behind`, has no such value and starts at zero.
        """
        network, arithmetic = self._network, self._arithmetic
        node = network.nodes[name]
        if isinstance(node, Input | Neuron | Delay) or name in behind:
            return arithmetic.zeros(network.shapes[name], like, steps)
        sources = [self._at_rest(source, like, steps, (*behind, name)) for source in network.sources(name)]
        x = sources[0] if len(sources) == 1 else arithmetic.add(sources)
        return arithmetic.flatten(x) if isinstance(node, Flatten) else arithmetic.synapse(name, x)

    def _delay(self, name: str, node: Delay, x: Values, steps: int) -> Values:
        held = self._delayed.get(name)
        if held is None:
            held = self._arithmetic.zeros(self._network.shapes[name], x, node.steps)
        both = self._arithmetic.join([held, x])
        self._delayed[name] = self._arithmetic.cut(both, steps, steps + node.steps)
        return self._arithmetic.cut(both, 0, steps)


def offsets(network: Network, schedule: str) -> dict[str, int]:
    """By layer, the step at which it sees the first input."""
    return {name: network.depth[name] if schedule == "pipelined" else 0 for name in network.neurons}


def _pipeline_lags(network: Network) -> dict[Edge, int]:
    """On a pipeline, by how many steps each edge that leaves an input or neuron is late.

    One step is the pipeline's own. A branch that skips layers waits longer, so that it meets the longer one: the
    difference of the depths. What feeds back brings the step before, as it does layer-synchronously.

    Raises:
        UnsupportedError: a feedback over so many layers that it cannot arrive in time, or a synapse that would have
            to be late by different amounts.
    """
    due: dict[str, int] = {}
    """For each node, the depth of the layer whose step it works on."""

    def due_at(name: str) -> int:
        if isinstance(network.nodes[name], Neuron):
            return network.depth[name]
        if name not in due:
            wanted = {
                due_at(target) + ((name, target) in network.recurrent_edges)
                for target in network.targets(name)
                if not isinstance(network.nodes[target], Output)
            }
            if len(wanted) > 1:
                raise UnsupportedError(
                    f"{name}: feeds layers of different depth, which a pipeline reaches at different times; "
                    "give each layer a synapse of its own"
                )
            due[name] = wanted.pop() if wanted else network.depth[name]
        return due[name]

    lags = {}
    for source, target in network.edges:
        if not isinstance(network.nodes[source], Input | Neuron):
            continue
        if isinstance(network.nodes[target], Output):
            continue
        lag = due_at(target) + ((source, target) in network.recurrent_edges) - network.depth[source]
        if lag < 1:
            raise UnsupportedError(
                f"{source} -> {target}: this feedback would have to arrive {1 - lag} steps before it is sent; "
                f"give it a Delay of at least {1 - lag} steps and train with it"
            )
        lags[source, target] = lag
    return lags


def _order(network: Network, late: Container[Edge]) -> tuple[str, ...]:
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
