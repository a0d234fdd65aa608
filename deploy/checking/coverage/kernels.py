"""A neuron beside its mutant, step by step along one layer's recorded sums, until a spike differs.

Plain loops in the words of `deploy.grid`: they share nothing with the kernels of the simulator, whose work they judge.
What they give is the first recording in which a spike (of a readout v), and in which u or v differs; -1: none. It is a
bare pair: a class of ours would be called from compiled code, which does not survive the exception of a Ctrl-C then.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from deploy.grid import DECAY_BITS, DECAY_ONE, STATE_BITS, U_WRAP, V_MAX

Int64s = NDArray[np.int64]

ROUNDING = DECAY_ONE - 1
HARD, SOFT = 1, 2


class Reset(NamedTuple):
    """What a spike does to v: kind 0 nothing, `HARD` or `SOFT`; late: in the step after it; a readout never spikes."""

    kind: int
    late: bool
    readout: bool


@numba.njit(cache=True, nogil=True, inline="always")
def _kept(x: Any, keep: Any) -> Any:
    x = x * keep
    return (x + ((x >> 63) & ROUNDING)) >> DECAY_BITS


@numba.njit(cache=True, nogil=True, inline="always")
def _step(u: Any, v: Any, owes: Any, a: Any, p: Any, reset: Any) -> Any:
    """u, v and spike after one step; p is (keep_u, keep_v, bias, threshold), owes: whether a late reset is due."""
    u = _kept(u, p[0]) + (a << STATE_BITS)
    u = ((u + U_WRAP // 2) & (U_WRAP - 1)) - U_WRAP // 2
    driven = _kept(v, p[1]) + u + p[2]
    if owes and reset.kind:
        driven = 0 if reset.kind == HARD else driven - p[3]
    v = min(max(driven, -V_MAX), V_MAX)
    spike = not reset.readout and v > p[3]
    if spike and not reset.late:
        if reset.kind == HARD:
            v = 0
        elif reset.kind == SOFT:
            v = v - p[3]
    return u, v, spike


@numba.njit(cache=True, nogil=True)
def changed_neuron(sums: Int64s, place: int, old: Int64s, new: Int64s, reset: Reset) -> tuple[int, int]:
    """A neuron with other parameters.

    Args:
        sums: (R, n, T) what its synapses bring.
        place: of the neuron, below n.
        old, new: (4,) keep_u, keep_v, bias and threshold in units of the state.
        reset: what a spike does.
    """
    states = -1
    for r in range(sums.shape[0]):
        u0, v0, s0, u1, v1, s1 = 0, 0, False, 0, 0, False
        for t in range(sums.shape[2]):
            a = sums[r, place, t]
            u0, v0, s0 = _step(u0, v0, reset.late and s0, a, old, reset)
            u1, v1, s1 = _step(u1, v1, reset.late and s1, a, new, reset)
            if states < 0 and (u0 != u1 or v0 != v1):
                states = r
            if s0 != s1 or (reset.readout and v0 != v1):
                return r, states if states >= 0 else r
    return -1, states


@numba.njit(cache=True, nogil=True)
def changed_weight(
    sums: Int64s,
    raw: Int64s,
    counts: Int64s,
    neurons: Int64s,
    inputs: Int64s,
    delta: int,
    exponent: int,
    parameters: Int64s,
    reset: Reset,
) -> tuple[int, int]:
    """A weight that is `delta` larger, in all places in which it acts.

    Args:
        sums: (R, n, T) what all synapses bring.
        raw: (R, n, T) what this one brings before it is shifted to the right; empty where it is not.
        counts: (R, m, T) what arrives.
        neurons, inputs: (k,) the places whose neuron and input the weight joins.
        exponent: of the synapse.
        parameters: (n, 4) as in `changed_neuron`.
    """
    states = -1
    for r in range(sums.shape[0]):
        for k in range(len(neurons)):
            n, m = neurons[k], inputs[k]
            reached = False
            for t in range(sums.shape[2]):
                if counts[r, m, t]:
                    reached = True
                    break
            if not reached:
                continue
            p = parameters[n]
            u0, v0, s0, u1, v1, s1 = 0, 0, False, 0, 0, False
            for t in range(sums.shape[2]):
                a, more = sums[r, n, t], delta * counts[r, m, t]
                if exponent >= 0:
                    more <<= exponent
                else:
                    more = ((raw[r, n, t] + more) >> -exponent) - (raw[r, n, t] >> -exponent)
                u0, v0, s0 = _step(u0, v0, reset.late and s0, a, p, reset)
                u1, v1, s1 = _step(u1, v1, reset.late and s1, a + more, p, reset)
                if states < 0 and (u0 != u1 or v0 != v1):
                    states = r
                if s0 != s1 or (reset.readout and v0 != v1):
                    return r, states if states >= 0 else r
    return -1, states
