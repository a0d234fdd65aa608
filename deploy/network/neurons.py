"""The neurons of a network: parameters as plain numpy arrays, and their step."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import numpy as np

from deploy.errors import ModelError, UnsupportedError
from deploy.grid import DU_IMMEDIATE, STATE_BITS, saturate, unsaturated_voltage, unwrapped_current, wrap24
from deploy.network.state import NEVER, State, Step
from deploy.network.types import RESET_MECHANISMS, Array, ResetMechanism, Shape


@dataclass(frozen=True, kw_only=True)
class Neuron(ABC):
    """A layer of neurons with a state: what floats and integers have in common. `bias` broadcasts against `shape`.

    What a spike does to the potential has snnTorch's two words. `reset_mechanism`: "zero" is the hard reset,
    "subtract" the soft one, which takes the threshold off, "none" leaves v alone. `reset_delay`: it happens in the
    step after the spike; until then v is the potential that spiked. A delayed hard reset replaces all that the next
    step would have made of v, its input included.

    A new kind of neuron is a subclass of `FloatNeuron`, of `GridNeuron`, or one of each. Whoever steps, writes or
    rounds neurons of one kind alone asks for it with `exactly`, so that a kind or a reset that it does not know is
    refused by name.

    groups: the parameters by what they set; what differs between two networks is told by these.

    Raises:
        ModelError: a reset mechanism that does not exist; a delayed reset with a threshold below 0, at which neurons
            at rest would count as having spiked.
    """

    groups: ClassVar[Mapping[str, tuple[str, ...]]]

    shape: Shape
    bias: Array
    reset_mechanism: ResetMechanism = "zero"
    reset_delay: bool = False

    def __post_init__(self) -> None:
        if self.reset_mechanism not in RESET_MECHANISMS:
            raise ModelError(f"reset mechanism {self.reset_mechanism!r} is not known; use one of {RESET_MECHANISMS}")
        if self.reset_delay and self.firing_potential is not None and np.any(self.firing_potential < 0):
            raise ModelError("a delayed reset needs thresholds of 0 and above; neurons start at 0, below none of them")

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

    @property
    def resets_at_once(self) -> bool:
        """Whether the reset is the one every chip has: hard, in the step of the spike. A readout needs no other."""
        return self.is_readout or (self.reset_mechanism == "zero" and not self.reset_delay)

    @property
    @abstractmethod
    def after_spike(self) -> Array:
        """What a hard reset makes of v, and what a soft one takes off."""

    def reset_where(self, v: Array, spiked: Array) -> Array:
        """v after the spikes that are to reset it."""
        match self.reset_mechanism:
            case "zero":
                return np.where(spiked, self.after_spike, v).astype(v.dtype, copy=False)
            case "subtract":
                return np.where(spiked, v - self.after_spike, v).astype(v.dtype, copy=False)
            case "none":
                return v

    def late_reset(self, state: State, v: Array) -> Array:
        """v after what the spikes of the step before still owe."""
        return self.reset_where(v, state.age == 1) if self.reset_delay else v

    def _fire(self, state: State, u: Array, v: Array, recorded: Array | None) -> Step:
        threshold = self.firing_potential
        spikes = np.zeros(v.shape, bool) if threshold is None else v > threshold
        happened = spikes if recorded is None else recorded
        after = v if self.reset_delay else self.reset_where(v, happened)
        return Step(State(u, after, np.where(happened, 1, state.age + 1)), v, spikes)


@dataclass(frozen=True, kw_only=True)
class FloatNeuron(Neuron):
    """A float neuron in discrete time. Each parameter is a scalar array or broadcasts against `shape`.

        u = current_keep * u + current_gain * x          current; current_keep None: u = x
        v = keep * v + gain * u + bias                   membrane potential
        spike = v > threshold,  v = reset where spike    threshold None: a readout, whose output is v itself

    keep = 1 - dt / tau (1: integrate and fire). current_gain None: 1. A soft reset takes `reset` off instead:
    v = v - reset where spike. It is the threshold, or a rounding step beside it where a tool fires at v >= threshold.

    Raises:
        ModelError: current_gain without current_keep; what `Neuron` refuses.
    """

    groups: ClassVar = {
        "current-decay": ("current_keep", "current_gain"),
        "potential-decay": ("keep", "gain"),
        "threshold": ("threshold",),
        "bias": ("bias",),
        "reset": ("reset", "reset_mechanism", "reset_delay"),
    }

    keep: Array
    gain: Array
    threshold: Array | None
    reset: Array = field(default_factory=lambda: np.zeros((), np.float32))
    current_keep: Array | None = None
    current_gain: Array | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.current_keep is None and self.current_gain is not None:
            raise ModelError("current_gain without current_keep, so there is no current; give both, or scale gain")

    @property
    def firing_potential(self) -> Array | None:
        return self.threshold

    @property
    def after_spike(self) -> Array:
        return self.reset

    @property
    def rest_potential(self) -> Array:
        """Where a hard reset leaves v, in whose units thresholds and biases of the grid are counted; else 0."""
        return self.reset if self.reset_mechanism == "zero" else np.zeros((), np.float32)

    @property
    def takes_off_threshold(self) -> bool:
        """Whether what a soft reset takes off is the threshold, as on every grid, up to the rounding of float32."""
        return self.threshold is None or bool(np.allclose(self.reset, self.threshold, rtol=1e-6, atol=0))

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
        return self._fire(state, u, self.late_reset(state, self.driven(state, u)), recorded)

    def current(self, state: State, a: Array) -> Array:
        """The current after a step."""
        x = a.astype(np.float32)
        if self.current_keep is None:
            return x
        return (self.current_keep * state.u + self.input_gain * x).astype(np.float32)

    def driven(self, state: State, u: Array) -> Array:
        """The potential before any reset."""
        return (self.keep * state.v + self.gain * u + self.bias).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class GridNeuron(Neuron):
    """A neuron on the integer grid (`deploy.grid`); du, dv, vth and bias broadcast against `shape`.

    bias is in units of the state (2^-6 of a weight). vth None: a readout, whose output is v and which never spikes.
    A hard reset sets v to 0, a soft one takes off vth << 6; a delayed one does so before v saturates.
    """

    groups: ClassVar = {
        "current-decay": ("du",),
        "potential-decay": ("dv",),
        "threshold": ("vth",),
        "bias": ("bias",),
        "reset": ("reset_mechanism", "reset_delay"),
    }

    du: Array
    dv: Array
    vth: Array | None

    @property
    def firing_potential(self) -> Array | None:
        return None if self.vth is None else np.asarray(self.vth, np.int64) << STATE_BITS

    @property
    def after_spike(self) -> Array:
        if self.reset_mechanism == "zero" or self.firing_potential is None:
            return np.zeros((), np.int64)
        return self.firing_potential

    @property
    def has_current(self) -> bool:
        return not np.all(self.du == DU_IMMEDIATE)

    @property
    def leaks(self) -> bool:
        return bool(np.all(self.dv > 0))

    def rest(self, recordings: int) -> State:
        return _rest((recordings, *self.shape), np.int64)

    def step(self, state: State, a: Array, recorded: Array | None = None) -> Step:
        arriving = unwrapped_current(state.u, a.astype(np.int64, copy=False), np.asarray(self.du, np.int64))
        u = wrap24(arriving)
        driven = self.late_reset(state, self.driven(state, u))
        v = saturate(driven)
        overflows = int(np.count_nonzero(u != arriving) + np.count_nonzero(v != driven))
        return self._fire(state, u, v, recorded)._replace(overflows=overflows)

    def driven(self, state: State, u: Array) -> Array:
        """The potential before any reset and before it saturates."""
        return unsaturated_voltage(state.v, u, np.asarray(self.bias, np.int64), np.asarray(self.dv, np.int64))


def _rest(shape: Shape, dtype: type) -> State:
    return State(np.zeros(shape, dtype), np.zeros(shape, dtype), np.full(shape, NEVER))


Kind = TypeVar("Kind", bound=Neuron)


def exactly(name: str, node: object, what: str, *kinds: type[Kind], every_reset: bool = False) -> Kind:
    """`node`, which is of one of these kinds and of no subclass of them, and is reset to a value at once.

    Args:
        name: of the node.
        node: of any kind.
        what: asks, as an error names it.
        kinds: that it knows.
        every_reset: whether it knows soft, delayed and absent resets too.

    Raises:
        UnsupportedError: any other, which `what` would take for one of them and get wrong.
    """
    if type(node) not in kinds:
        known = " and ".join(kind.__name__ for kind in kinds)
        raise UnsupportedError(f"{name}: a {type(node).__name__}, and {what} knows {known} alone; use another")
    assert isinstance(node, Neuron)
    if not (every_reset or node.resets_at_once):
        raise UnsupportedError(
            f"{name}: {reset_in_words(node)}, and {what} knows the hard reset at once alone; use another"
        )
    return node  # pyright: ignore[reportReturnType]


def reset_in_words(node: Neuron) -> str:
    """What a spike does to the potential, for people: "a soft reset in the step after the spike"."""
    kind = {"zero": "a hard reset", "subtract": "a soft reset", "none": "no reset"}[node.reset_mechanism]
    return f"{kind} in the step after the spike" if node.reset_delay else kind
