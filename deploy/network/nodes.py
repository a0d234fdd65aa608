"""The nodes of a network: plain numpy arrays and what they mean. Each does one thing."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from deploy.errors import ModelError, UnsupportedError
from deploy.grid import DU_IMMEDIATE, STATE_BITS, saturate, unsaturated_voltage, unwrapped_current, wrap24
from deploy.network.state import NEVER, State, Step

Array = NDArray[Any]
Shape = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Input:
    """Where frames enter: one step of them has `shape`, usually (C, H, W)."""

    shape: Shape


@dataclass(frozen=True, kw_only=True)
class Output:
    """What the network gives: the output of the node that feeds it."""


@dataclass(frozen=True, kw_only=True)
class Dense:
    """y = weight @ x + bias over a flat input; weight (out, in), bias (out,) or None.

    On the grid the weighted sum is multiplied by 2^weight_exp (negative: arithmetic shift right), and `bias` is None:
    biases belong to the neuron.
    """

    weight: Array
    bias: Array | None = None
    weight_exp: int = 0


@dataclass(frozen=True, kw_only=True)
class Conv:
    """Two-dimensional cross-correlation, as in PyTorch; weight (out, in / groups, kernel_h, kernel_w), bias (out,).

    A one-dimensional convolution is one of height 1. On the grid `weight_exp` and `bias` are as for `Dense`.
    """

    weight: Array
    bias: Array | None = None
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    weight_exp: int = 0


@dataclass(frozen=True, kw_only=True)
class SumPool:
    """The sum over windows of (C, H, W); average pooling is this and a `Scale`."""

    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """y = factor * x, elementwise; factor broadcasts against the input."""

    factor: Array


@dataclass(frozen=True, kw_only=True)
class Flatten:
    """(C, H, W) to (C * H * W,), channel first."""


@dataclass(frozen=True, kw_only=True)
class Delay:
    """The input of `steps` steps ago; zero before the first."""

    steps: int


@dataclass(frozen=True, kw_only=True)
class Neuron(ABC):
    """A layer of neurons with a state: what floats and integers have in common. `bias` broadcasts against `shape`.

    A new kind of neuron is a subclass of `FloatNeuron`, of `GridNeuron`, or one of each. Whoever steps, writes or
    rounds neurons of one kind alone asks for it with `exactly`, so that a kind it does not know is refused by name.

    groups: the parameters by what they set; what differs between two networks is told by these.
    """

    groups: ClassVar[Mapping[str, tuple[str, ...]]]

    shape: Shape
    bias: Array

    @property
    @abstractmethod
    def firing_potential(self) -> Array | None:
        """The threshold in units of the potential, above which a neuron spikes; None of a readout."""

    @property
    @abstractmethod
    def has_current(self) -> bool:
        """Whether the synaptic current is a state of its own that decays; else what arrives acts at once."""

    @property
    @abstractmethod
    def leaks(self) -> bool:
        """Whether every neuron loses some of its potential in a step."""

    @property
    def is_readout(self) -> bool:
        """Whether the layer never spikes: its output is the potential itself."""
        return self.firing_potential is None

    @abstractmethod
    def rest(self, recordings: int) -> State:
        """The state before the first step."""

    @abstractmethod
    def step(self, state: State, a: Array, recorded: Array | None = None) -> Step:
        """One step in plain numpy: what the kernels of the runners do faster, and all there is of other kinds.

        Args:
            state: from the step before.
            a: (R, *shape) what the synapses bring.
            recorded: (R, *shape) bool, the spikes that really happened: the reset follows these instead of its own.
        """

    def run(self, state: State, x: Array) -> tuple[list[Step], dict[str, Array]]:
        """The steps of x (R, T, *shape), and what they gave: "spikes", "u" and "v", each (R, T, *shape)."""
        steps: list[Step] = []
        for t in range(x.shape[1]):
            steps.append(self.step(steps[-1].state if steps else state, x[:, t]))
        given = {"spikes": [s.spikes for s in steps], "u": [s.state.u for s in steps], "v": [s.state.v for s in steps]}
        return steps, {kind: np.stack(values, axis=1) for kind, values in given.items()}

    def _fire(self, state: State, u: Array, v: Array, reset: Array | int, recorded: Array | None) -> Step:
        threshold = self.firing_potential
        spikes = np.zeros(v.shape, bool) if threshold is None else v > threshold
        happened = spikes if recorded is None else recorded
        after = np.where(happened, reset, v).astype(v.dtype)
        return Step(State(u, after, np.where(happened, 1, state.age + 1)), v, spikes)


@dataclass(frozen=True, kw_only=True)
class FloatNeuron(Neuron):
    """A float neuron in discrete time. Each parameter is a scalar array or broadcasts against `shape`.

        u = current_keep * u + current_gain * x          current; current_keep None: u = x
        v = keep * v + gain * u + bias                   membrane potential
        spike = v > threshold,  v = reset where spike    threshold None: a readout, whose output is v itself

    keep = 1 - dt / tau (1: integrate and fire). A soft reset does not exist here: NIR cannot say it. current_gain None:
    1.

    Raises:
        ModelError: current_gain without current_keep.
    """

    groups: ClassVar = {
        "current-decay": ("current_keep", "current_gain"),
        "potential-decay": ("keep", "gain"),
        "threshold": ("threshold",),
        "bias": ("bias",),
        "reset": ("reset",),
    }

    keep: Array
    gain: Array
    threshold: Array | None
    reset: Array = field(default_factory=lambda: np.zeros((), np.float32))
    current_keep: Array | None = None
    current_gain: Array | None = None

    def __post_init__(self) -> None:
        if self.current_keep is None and self.current_gain is not None:
            raise ModelError("current_gain without current_keep, so there is no current; give both, or scale gain")

    @property
    def firing_potential(self) -> Array | None:
        return self.threshold

    @property
    def has_current(self) -> bool:
        return self.current_keep is not None

    @property
    def input_gain(self) -> Array:
        """`current_gain`, or 1."""
        return np.ones((), np.float32) if self.current_gain is None else self.current_gain

    @property
    def leaks(self) -> bool:
        return bool(np.all(self.keep < 1))

    def rest(self, recordings: int) -> State:
        return _rest((recordings, *self.shape), np.float32)

    def step(self, state: State, a: Array, recorded: Array | None = None) -> Step:
        u = self.current(state, a)
        return self._fire(state, u, self.driven(state, u), self.reset, recorded)

    def current(self, state: State, a: Array) -> Array:
        """The current after a step."""
        x = a.astype(np.float32)
        if self.current_keep is None:
            return x
        return (self.current_keep * state.u + self.input_gain * x).astype(np.float32)

    def driven(self, state: State, u: Array) -> Array:
        """The potential before the reset."""
        return (self.keep * state.v + self.gain * u + self.bias).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class GridNeuron(Neuron):
    """A neuron on the integer grid (`deploy.grid`); du, dv, vth and bias broadcast against `shape`.

    bias is in units of the state (2^-6 of a weight). vth None: a readout, whose output is v and which never spikes.
    """

    groups: ClassVar = {"current-decay": ("du",), "potential-decay": ("dv",), "threshold": ("vth",), "bias": ("bias",)}

    du: Array
    dv: Array
    vth: Array | None

    @property
    def firing_potential(self) -> Array | None:
        return None if self.vth is None else np.asarray(self.vth, np.int64) << STATE_BITS

    @property
    def has_current(self) -> bool:
        return not np.all(self.du == DU_IMMEDIATE)

    @property
    def leaks(self) -> bool:
        return bool(np.all(self.dv > 0))

    def rest(self, recordings: int) -> State:
        return _rest((recordings, *self.shape), np.int64)

    def step(self, state: State, a: Array, recorded: Array | None = None) -> Step:
        arriving = unwrapped_current(state.u, a.astype(np.int64), np.asarray(self.du, np.int64))
        u = wrap24(arriving)
        driven = self.driven(state, u)
        v = saturate(driven)
        overflows = int(np.count_nonzero(u != arriving) + np.count_nonzero(v != driven))
        return self._fire(state, u, v, 0, recorded)._replace(overflows=overflows)

    def driven(self, state: State, u: Array) -> Array:
        """The potential before it saturates and is reset."""
        return unsaturated_voltage(state.v, u, np.asarray(self.bias, np.int64), np.asarray(self.dv, np.int64))


def _rest(shape: Shape, dtype: type) -> State:
    return State(np.zeros(shape, dtype), np.zeros(shape, dtype), np.full(shape, NEVER))


Node = Input | Output | Dense | Conv | SumPool | Scale | Flatten | Delay | Neuron
Edge = tuple[str, str]
Kind = TypeVar("Kind", bound=Neuron)


def exactly(name: str, node: object, what: str, *kinds: type[Kind]) -> Kind:
    """`node`, which is of one of these kinds and of no subclass of them.

    Raises:
        UnsupportedError: any other, which `what` would take for one of them and get wrong.
    """
    if type(node) not in kinds:
        known = " and ".join(kind.__name__ for kind in kinds)
        raise UnsupportedError(f"{name}: a {type(node).__name__}, and {what} knows {known} alone; use another")
    return node  # pyright: ignore[reportReturnType]
