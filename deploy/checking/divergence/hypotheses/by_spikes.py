"""One weight or one bias that is off, found from spikes alone: how far each could move before a spike comes or goes.

Along recorded spikes the potential is linear in a weight, up to the rounding of the leak. Every spike that was recorded
bounds the change from below, every silent step from above; what is left is tried exactly.
"""

from collections.abc import Iterator

import numpy as np

from deploy import grid
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.hypotheses.states import Seen, look
from deploy.checking.divergence.hypotheses.synapse import synapses
from deploy.checking.divergence.hypotheses.weights import patches
from deploy.checking.divergence.places import neurons_in_words
from deploy.checking.divergence.setup import Setup
from deploy.network import Array
from deploy.traces.trace import Trace

MOST = 8
"""Weights that are tried exactly, those first whose bounds are widest."""
SLACK = 64.0
"""What the rounding of the leak may add up to, in units of the potential."""


@hypothesis("weight", "synapse", picks=True)
def one_weight(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A single weight of one output."""
    seen = look(setup, layer, trace)
    feeding = synapses(setup, layer)
    # Recorded sums say more, but for what a shift to the right leaves of them.
    if seen is None or seen.spikes is None or (seen.u is not None and all(n.weight_exp >= 0 for _, n in feeding)):
        return
    wrong = seen.of_due("spikes") != seen.spikes
    if seen.u is not None:
        wrong[: len(seen.u)] |= seen.of_due("u", len(seen.u)) != seen.u
    outputs = np.flatnonzero(wrong.reshape(*wrong.shape[:3], -1).any(axis=(0, 1, 3)))
    if len(outputs) != 1:
        return
    out = int(outputs[0])
    for name, node in feeding:
        x = patches(node, seen.arriving(setup, name), out)
        x = x.reshape(*wrong.shape[:2], -1, x.shape[-1])
        x = x * float(1 << grid.STATE_BITS) * 2.0**node.weight_exp
        found = []
        for j in range(x.shape[-1]):
            low, high = _bounds(seen, out, _response(seen, out, x[..., j]))
            if low < high:
                found.append((high - low, j, low, high))
        for _, j, low, high in sorted(found, reverse=True)[:MOST]:
            index = (out, *(int(i) for i in np.unravel_index(j, node.weight.shape[1:])))
            yield from _tries(setup, name, node.weight, index, (low, high), every=seen.u is not None)


def _tries(
    setup: Setup, name: str, weight: Array, index: tuple[int, ...], between: tuple[float, float], *, every: bool
) -> Iterator[Candidate]:
    low, high = between
    first, last = max(int(np.floor(low)) + 1, -512), min(int(np.ceil(high)) - 1, 511)
    near = [value for value in range(first, last + 1) if value and -256 <= weight[index] + value <= 255]
    if not near:
        return
    middle = near[len(near) // 2]
    chosen = near if every else (middle, near[0], near[-1])
    for by in dict.fromkeys(chosen):
        changed = weight.copy()
        changed[index] += by
        about = f"{changed[index]}"
        if len(near) > 1 and not every:
            about = f"between {weight[index] + near[0]} and {weight[index] + near[-1]}"
        text = f"{name}: 1 weight(s) differ: {list(index)} is {about} there, {weight[index]} here"
        yield Candidate(text, setup.with_node(name, weight=changed))


def _response(seen: Seen, out: int, x: Array) -> Array:
    """How the potential of one output (R, T, places) answers to what x adds to its sums, along its recorded spikes."""
    assert seen.spikes is not None
    shape = seen.spikes[:, :, out].reshape(*x.shape[:2], -1).shape
    spikes = seen.spikes[:, :, out].reshape(shape)
    keep_u = (grid.DECAY_ONE - 1 - seen.full("du")[out].reshape(-1)) / grid.DECAY_ONE
    keep_v = (grid.DECAY_ONE - seen.full("dv")[out].reshape(-1)) / grid.DECAY_ONE
    u, v, answers = np.zeros_like(x[:, 0]), np.zeros_like(x[:, 0]), np.zeros(shape)
    for t in range(x.shape[1]):
        u = keep_u * u + x[:, t]
        v = keep_v * v + u
        answers[:, t] = v
        if seen.cell.resets_at_once:
            v = np.where(spikes[:, t], 0, v)
    return answers


def _bounds(seen: Seen, out: int, answer: Array) -> tuple[float, float]:
    """Between which changes lie for which every recorded spike is due and no other; empty where high <= low."""
    assert seen.spikes is not None and seen.cell.firing_potential is not None
    threshold = np.broadcast_to(seen.cell.firing_potential, seen.cell.shape)[out].reshape(-1)
    missing = threshold - seen.of_due("potential")[:, :, out].reshape(answer.shape)
    spiked = seen.spikes[:, :, out].reshape(answer.shape)
    moved = answer > 0
    if ((missing >= SLACK) & spiked & ~moved).any() or ((missing < -SLACK) & ~spiked & ~moved).any():
        return 0.0, 0.0
    up, down = spiked & moved, ~spiked & moved
    low = float(((missing[up] - SLACK) / answer[up]).max(initial=-1e9))
    high = float(((missing[down] + SLACK) / answer[down]).min(initial=1e9))
    return low, high


@hypothesis("bias", "neuron", picks=True)
def one_bias(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """One change of the bias of all neurons of a layer that are wrong."""
    seen = look(setup, layer, trace)
    if seen is None or seen.spikes is None or seen.v is not None:
        return
    wrong = seen.of_due("spikes") != seen.spikes
    outputs = np.flatnonzero(wrong.reshape(*wrong.shape[:3], -1).any(axis=(0, 1, 3)))
    if not len(outputs) or len(outputs) > 16:
        return
    low, high = -1e9, 1e9
    for out in outputs:
        shape = seen.spikes[:, :, int(out)].reshape(*wrong.shape[:2], -1).shape
        ones = np.ones(shape)
        one, other = _bounds(seen, int(out), _bias_response(seen, int(out), ones))
        low, high = max(low, one), min(high, other)
    if low >= high or (low < 0 < high):
        return
    where = np.zeros(seen.cell.shape, bool)
    where[outputs] = True
    first, last = int(np.floor(low)) + 1, int(np.ceil(high)) - 1
    for by in dict.fromkeys(((first + last) // 2, first + int(SLACK), last - int(SLACK))):
        if by:
            text = f"the bias is off by between {first:+d} and {last:+d} in {neurons_in_words(where)}"
            bias = seen.full("bias") + np.where(where, by, 0)
            yield Candidate(text, setup.with_node(layer, bias=bias))


def _bias_response(seen: Seen, out: int, ones: Array) -> Array:
    assert seen.spikes is not None
    spikes = seen.spikes[:, :, out].reshape(ones.shape)
    keep = (grid.DECAY_ONE - seen.full("dv")[out].reshape(-1)) / grid.DECAY_ONE
    v, answers = np.zeros_like(ones[:, 0]), np.zeros(ones.shape)
    for t in range(ones.shape[1]):
        v = keep * v + ones[:, t]
        answers[:, t] = v
        if seen.cell.resets_at_once:
            v = np.where(spikes[:, t], 0, v)
    return answers
