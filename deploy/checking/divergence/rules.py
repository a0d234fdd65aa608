"""The rules of a neuron with switches: what a faulty simulator may do otherwise, one switch a rule.

The first lines of each function are `deploy.grid`; every switch is a mistake that a real simulator makes or made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from deploy import grid
from deploy.network import Array, FloatNeuron, GridNeuron, Neuron
from deploy.network.state import State, Step

Rounding = Literal["zero", "floor", "nearest", "away"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rules:
    """How neurons of one layer are stepped; the defaults are right.

    rounding: of the leak: toward zero, down, to the nearest, or away from zero. potential_bits: at which v saturates,
        or wraps; floor: below which it does not fall; bits: of v that are set, cleared and flipped in every step.
    current_bits, saturates: at which u wraps, or is cut off.
    refractory: steps without a spike after one; holds: in which nothing is integrated.
    mute: spikes reset the neuron and are not sent; stuck: one is sent at every step; blocked: there is none, and no
        reset. reset_to: what a hard reset makes of v.
    late: steps by which sums come late. adds: what else arrives, (R, T, ...) by the numbers of the recordings.
    sums_between, sums_wrap, sums_bits: where sums are cut off, at how many bits they wrap, low bits that they lose.
    gain: of sums as they enter the current, over 4096.
    current_before: v takes the current of the step before. node: other parameters. start: v before the first step.
    carries: which of u and v are kept from one recording to the next; left: what is left of them by then.
    early_steps: steps that the layer took before its first input arrived (biases skew its start).

    where, steps, recordings: the neurons (bool, of the layer's shape), the steps and the recordings to which all this
        is confined; None: everywhere.
    """

    spike_at_equal: bool = False
    rounding: Rounding = "zero"
    leak_last: bool = False
    saturate: bool = True
    potential_bits: int = 24
    potential_wraps: bool = False
    floor: int | None = None
    bits: tuple[int, int, int] | None = None
    current_bits: int = 24
    current_saturates: bool = False
    gain: int | None = None
    current_convention: int = 1
    current_before: bool = False
    reset_current: bool = False
    refractory: int = 0
    holds: bool = False
    mute: bool = False
    stuck: bool = False
    blocked: bool = False
    reset_to: int | None = None
    late: int = 0
    adds: Callable[[Array], Array] | None = None
    sums_wrap: int = 0
    sums_between: tuple[int, int] | None = None
    sums_bits: int = 0
    node: Neuron | None = None
    start: Array | None = None
    carries: str = ""
    left: Callable[[Array], Array] | None = None
    early_steps: int = 0
    where: Array | None = None
    steps: tuple[int, int] | None = None
    recordings: tuple[int, ...] | None = None

    def mask(self, rows: Array, step: int, axes: int) -> Array | bool:
        """Where this holds, against (R, *shape), of so many axes: rows are the numbers of the recordings."""
        if self.steps is not None and not self.steps[0] <= step < self.steps[1]:
            return False
        here: Array | bool = True if self.where is None else self.where[None]
        if self.recordings is None:
            return here
        return np.isin(rows, self.recordings).reshape(-1, *(1,) * (axes - 1)) & here


RIGHT = Rules()


def step(node: Neuron, rules: Rules, state: State, a: Array, recorded: Array | None = None) -> Step:
    """One step of a layer, all of it by these rules.

    Args:
        node: its parameters.
        rules: how it is stepped.
        state: from the step before.
        a: (R, *shape) what the synapses bring.
        recorded: (R, *shape) bool, the spikes that really happened: the reset follows these instead of its own.
    """
    node = rules.node or node
    if rules is RIGHT:
        return node.step(state, a, recorded)
    if rules.sums_bits:
        a = a >> rules.sums_bits << rules.sums_bits
    if rules.sums_between is not None:
        a = a.clip(*rules.sums_between)
    if rules.sums_wrap:
        a = wrapped(a, rules.sums_wrap)
    u = _current(node, rules, state, a)
    v = _potential(node, rules, state, state.u if rules.current_before else u)
    if rules.bits is not None:
        ones, zeros, flips = rules.bits
        v = ((v | ones) & ~np.int64(zeros)) ^ flips
    threshold = node.firing_potential
    if threshold is None:
        return Step(State(u, v, state.age + 1), v, np.zeros(v.shape, bool))
    quiet = state.age <= rules.refractory
    if rules.holds:
        v = np.where(quiet, state.v, v)
    spikes = v >= threshold if rules.spike_at_equal else v > threshold
    if rules.refractory:
        spikes &= ~quiet
    if rules.blocked:
        spikes = np.zeros_like(spikes)
    # What is not sent, or sent without need, says nothing about the reset.
    happened = spikes if recorded is None or rules.mute or rules.stuck else recorded
    age = np.where(happened, 1, state.age + 1)
    after = v if node.reset_delay else node.reset_where(v, happened)
    if rules.reset_to is not None:
        after = np.where(happened, rules.reset_to, after)
    if rules.reset_current:
        u = np.where(happened, np.zeros((), u.dtype), u)
    sent = np.zeros_like(spikes) if rules.mute else np.ones_like(spikes) if rules.stuck else spikes
    return Step(State(u, after.astype(v.dtype), age), v, sent)


def merged(where: Array | bool, inside: Step, outside: Step) -> Step:
    """One step of which part is by other rules."""
    states = (np.where(where, a, b) for a, b in zip(inside.state, outside.state, strict=True))
    potential = np.where(where, inside.potential, outside.potential)
    spikes = np.where(where, inside.spikes, outside.spikes)
    return outside._replace(state=State(*states), potential=potential, spikes=spikes)


def _current(node: Neuron, rules: Rules, state: State, a: Array) -> Array:
    if isinstance(node, FloatNeuron):
        return node.current(state, a)
    assert isinstance(node, GridNeuron)
    kept = grid.DECAY_ONE - rules.current_convention - np.asarray(node.du, np.int64)
    arriving = a.astype(np.int64, copy=False) << grid.STATE_BITS
    u = _shift(state.u * kept, rules) + (arriving if rules.gain is None else arriving * rules.gain >> grid.DECAY_BITS)
    if rules.current_saturates:
        top = 1 << (rules.current_bits - 1)
        u = u.clip(-top, top - 1)
    return wrapped(u, rules.current_bits)


def _potential(node: Neuron, rules: Rules, state: State, u: Array) -> Array:
    if isinstance(node, FloatNeuron):
        return node.late_reset(state, node.driven(state, u))
    assert isinstance(node, GridNeuron)
    kept = grid.DECAY_ONE - np.asarray(node.dv, np.int64)
    arriving = u + np.asarray(node.bias, np.int64)
    potential = (
        _shift((state.v + arriving) * kept, rules) if rules.leak_last else _shift(state.v * kept, rules) + arriving
    )
    potential = node.late_reset(state, potential)
    if rules.potential_wraps:
        potential = wrapped(potential, rules.potential_bits)
    elif rules.saturate:
        top = (1 << (rules.potential_bits - 1)) - 1
        potential = potential.clip(-top, top)
    return potential if rules.floor is None else potential.clip(rules.floor)


def wrapped(x: Array, bits: int) -> Array:
    """What a register of so many bits holds of x."""
    half = 1 << (bits - 1)
    return ((x + half) & (2 * half - 1)) - half


def _shift(x: Array, rules: Rules) -> Array:
    """x / 4096, rounded as the rules say."""
    if rules.rounding == "zero":
        return grid.toward_zero(x, grid.DECAY_BITS)
    if rules.rounding == "away":
        return -np.sign(x) * (-np.abs(x) >> grid.DECAY_BITS)
    half = grid.DECAY_ONE // 2 if rules.rounding == "nearest" else 0
    return (x + half) >> grid.DECAY_BITS
