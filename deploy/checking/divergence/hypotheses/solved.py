"""Parameters solved from what was recorded: where a trace holds u and v, it says which numbers it was made with."""

from collections.abc import Iterator

import numpy as np

from deploy import grid
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.hypotheses.synapse import synapses
from deploy.checking.divergence.replay import Setup, replay
from deploy.network import Array, Conv, Dense, GridNeuron
from deploy.traces.trace import Trace

SAMPLES = 20_000
"""Neuron-steps that one output's weights are solved from."""


def recorded_states(setup: Setup, layer: str, trace: Trace) -> tuple[Array, Array] | None:
    """u and v (R', T, *shape) int64 of the first recordings, from rest on; None where the trace does not hold both."""
    record = trace.layers[layer]
    if not (record.held("u") and record.held("v") and isinstance(setup.network.nodes[layer], GridNeuron)):
        return None
    u = trace.aligned("u", layer).astype(np.int64)
    return u, trace.aligned("v", layer)[: len(u)].astype(np.int64)


def window(trace: Trace, layer: str) -> slice:
    """The raw steps in which a layer sees the input; its state is zeroed when they begin."""
    return slice(trace.layers[layer].offset, trace.layers[layer].offset + trace.steps)


@hypothesis("weight", "synapse")
def solved_weights(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The weights with which the recorded currents come out, where few of them differ."""
    states, feeding = recorded_states(setup, layer, trace), synapses(setup, layer)
    if states is None or len(feeding) != 1 or feeding[0][1].weight_exp != 0:
        return
    (name, node), u = feeding[0], states[0]
    seen = replay(setup, along=trace, only=frozenset([layer]))
    cell = setup.network.nodes[layer]
    assert isinstance(cell, GridNeuron)
    before = np.concatenate([np.zeros_like(u[:, :1]), u[:, :-1]], axis=1)
    came = (u - grid.toward_zero(before * (grid.DECAY_ONE - 1 - np.asarray(cell.du, np.int64)), grid.DECAY_BITS)) >> 6
    steps = window(trace, layer)
    left = came - seen.sums[layer][: len(u), steps]
    weight = np.array(node.weight, np.int64)
    for out in np.flatnonzero(np.moveaxis(left, 2, 0).reshape(left.shape[2], -1).any(axis=1)):
        change = _solve(node, seen.arriving[name][: len(u), steps], left[:, :, out], int(out))
        if change is None:
            return
        weight[out] += change
    apart = np.argwhere(weight != node.weight)
    if not len(apart):
        return
    first = tuple(int(i) for i in apart[0])
    text = f"{name}: {len(apart)} weight(s) differ: {list(first)} is {weight[first]} there, {node.weight[first]} here"
    yield Candidate(text, setup.with_node(name, weight=weight))


def _solve(node: Dense | Conv, x: Array, left: Array, out: int) -> Array | None:
    """Integer changes of one output's weights that explain what is left of its sums (R, T, ...); None: none found."""
    rows = _patches(node, x, out)
    target = left.reshape(-1).astype(np.float64)
    chosen = np.concatenate([np.flatnonzero(target), np.flatnonzero(target == 0)])[:SAMPLES]
    rows, target = rows[chosen], target[chosen]
    told = np.flatnonzero(target)
    at = rows[told] != 0
    single = np.flatnonzero(at.all(axis=0) & ~(rows[target == 0] != 0).any(axis=0))
    for j in single:
        by = target[told[0]] / rows[told[0], j]
        if by == round(by) and np.array_equal(rows[:, j] * by, target):
            change = np.zeros(rows.shape[1], np.int64)
            change[j] = int(by)
            return change.reshape(node.weight.shape[1:])
    fitted = np.rint(np.linalg.lstsq(rows, target, rcond=None)[0])
    return fitted.astype(np.int64).reshape(node.weight.shape[1:]) if np.array_equal(rows @ fitted, target) else None


def _patches(node: Dense | Conv, x: Array, out: int) -> Array:
    """What each place of one output sees: (R * T * places, inputs) float64."""
    if isinstance(node, Dense):
        return x.reshape(-1, x.shape[-1]).astype(np.float64)
    (p, q), kernel, channels = node.padding, node.weight.shape[2:], node.weight.shape[1]
    first = out // (len(node.weight) // node.groups) * channels
    flat = x.reshape(-1, *x.shape[2:])[:, first : first + channels]
    padded = np.pad(flat, ((0, 0), (0, 0), (p, p), (q, q)))
    spans = tuple(d * (k - 1) + 1 for d, k in zip(node.dilation, kernel, strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=(2, 3))  # pyright: ignore
    windows = windows[:, :, :: node.stride[0], :: node.stride[1], :: node.dilation[0], :: node.dilation[1]]
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, channels * kernel[0] * kernel[1]).astype(np.float64)


@hypothesis("potential-decay", "neuron")
def solved_decay(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The decay dv with which every recorded potential follows from the one before."""
    states, cell = recorded_states(setup, layer, trace), setup.network.nodes[layer]
    if states is None or not isinstance(cell, GridNeuron):
        return
    before, u, v, kept = _transitions(trace, layer, *states)
    bias = np.broadcast_to(np.asarray(cell.bias, np.int64), cell.shape)[None, None]
    known = (v - u - bias)[kept]
    largest = np.argsort(-np.abs(before[kept]))[:256]
    old, new = before[kept][largest], known[largest]
    for dv in range(grid.DECAY_ONE + 1):
        if np.array_equal(grid.toward_zero(old * (grid.DECAY_ONE - dv), grid.DECAY_BITS), new):
            if np.any(cell.dv != dv):
                text = f"the decay dv of the potential is {dv} there, {int(np.max(cell.dv))} here"
                yield Candidate(text, setup.with_node(layer, dv=np.array(dv)))
            return


@hypothesis("bias", "neuron")
def solved_bias(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The bias with which every recorded potential follows from the one before."""
    states, cell = recorded_states(setup, layer, trace), setup.network.nodes[layer]
    if states is None or not isinstance(cell, GridNeuron):
        return
    before, u, v, kept = _transitions(trace, layer, *states)
    left = v - u - grid.toward_zero(before * (grid.DECAY_ONE - np.asarray(cell.dv, np.int64)), grid.DECAY_BITS)
    low = np.where(kept, left, np.iinfo(np.int64).max).min(axis=(0, 1))
    high = np.where(kept, left, np.iinfo(np.int64).min).max(axis=(0, 1))
    known = low <= high
    if known.any() and np.array_equal(low[known], high[known]):
        here = np.broadcast_to(np.asarray(cell.bias, np.int64), cell.shape)
        bias = np.where(known, low, here)
        apart = np.argwhere(bias != here)
        if len(apart):
            at = tuple(int(i) for i in apart[0])
            text = f"the bias differs in {len(apart):,} neurons: {list(at)} has {bias[at]} there, {here[at]} here"
            yield Candidate(text, setup.with_node(layer, bias=bias))


@hypothesis("threshold", "neuron")
def solved_threshold(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The threshold between the highest silent potential and the lowest that spiked."""
    cell = setup.network.nodes[layer]
    if not isinstance(cell, GridNeuron) or cell.vth is None:
        return
    potential = replay(setup, along=trace, only=frozenset([layer])).potential[layer][:, window(trace, layer)]
    spiked = trace.output(layer)
    if spiked.all() or not spiked.any():
        return
    highest, lowest = int(potential[~spiked].max()), int(potential[spiked].min())
    first = -(-highest // 64)
    if first * 64 < lowest and np.any(cell.vth != first):
        last = (lowest - 1) // 64
        between = f"{first}" if first == last else f"between {first} and {last}"
        text = f"the threshold vth is {between} there, {int(np.max(cell.vth))} here"
        yield Candidate(text, setup.with_node(layer, vth=np.array(first)))


def _transitions(trace: Trace, layer: str, u: Array, v: Array) -> tuple[Array, Array, Array, Array]:
    """The potential before, u and v of each step, and where v is not the reset after a spike."""
    before = np.concatenate([np.zeros_like(v[:, :1]), v[:, :-1]], axis=1)
    kept = np.ones(v.shape, bool) if trace.layers[layer].is_readout else ~trace.output(layer)[: len(v)]
    return before, u, v, kept
