"""The rules of a neuron with switches: what a faulty simulator may do otherwise, one switch a rule.

The first lines of each function are `deploy.grid`; every switch is a mistake that a real simulator makes or made.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from deploy import grid
from deploy.network import Array, FloatNeuron, GridNeuron, Neuron
from deploy.network.state import State, Step

Rounding = Literal["zero", "floor", "nearest"]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How the neurons of one layer are stepped; the defaults are right.

    rounding: of the leak: toward zero, down, or to the nearest.
    early_steps: steps that the layer took before its first input arrived (biases skew its start).
    """

    spike_at_equal: bool = False
    rounding: Rounding = "zero"
    leak_last: bool = False
    saturate: bool = True
    never_negative: bool = False
    current_convention: int = 1
    reset_current: bool = False
    refractory: int = 0
    carries_state: bool = False
    early_steps: int = 0


RIGHT = Rules()


def step(node: Neuron, rules: Rules, state: State, a: Array, recorded: Array | None = None) -> Step:
    """One step of a layer.

    Args:
        node: its parameters.
        rules: how it is stepped.
        state: from the step before.
        a: (R, *shape) what the synapses bring.
        recorded: (R, *shape) bool, the spikes that really happened: the reset follows these instead of its own.
    """
    if rules == RIGHT:
        return node.step(state, a, recorded)
    u = _current(node, rules, state, a)
    v = _potential(node, rules, state, u)
    threshold = node.firing_potential
    if threshold is None:
        return Step(State(u, v, state.age), v, np.zeros(v.shape, bool))
    spikes = v >= threshold if rules.spike_at_equal else v > threshold
    if rules.refractory:
        spikes &= state.age > rules.refractory
    happened = spikes if recorded is None else recorded
    age = np.where(happened, 1, state.age + 1)
    after = v if node.reset_delay else node.reset_where(v, happened)
    if rules.reset_current:
        u = np.where(happened, np.zeros((), u.dtype), u)
    return Step(State(u, after.astype(v.dtype), age), v, spikes)


def _current(node: Neuron, rules: Rules, state: State, a: Array) -> Array:
    if isinstance(node, FloatNeuron):
        return node.current(state, a)
    assert isinstance(node, GridNeuron)
    kept = grid.DECAY_ONE - rules.current_convention - np.asarray(node.du, np.int64)
    return grid.wrap24(_shift(state.u * kept, rules) + a.astype(np.int64) * (1 << grid.STATE_BITS))


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
    if rules.saturate:
        potential = potential.clip(-grid.V_MAX, grid.V_MAX)
    return potential.clip(0) if rules.never_negative else potential


def _shift(x: Array, rules: Rules) -> Array:
    """x / 4096, rounded as the rules say."""
    if rules.rounding == "zero":
        return grid.toward_zero(x, grid.DECAY_BITS)
    half = grid.DECAY_ONE // 2 if rules.rounding == "nearest" else 0
    return (x + half) >> grid.DECAY_BITS
