"""Weights and bounds of sums solved from what was recorded of u, or of v: of readouts too, whose v is always there."""

from collections.abc import Iterator

import numpy as np

from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.hypotheses.states import look, recorded_sums
from deploy.checking.divergence.hypotheses.synapse import synapses, weight_variants
from deploy.checking.divergence.orders import order_in_words, permutation
from deploy.checking.divergence.setup import Setup
from deploy.checking.divergence.stored import rule_in_words
from deploy.network import Array, Conv, Dense
from deploy.traces.trace import Trace

SAMPLES = 20_000
"""Neuron-steps that one output's weights are solved from."""
LISTED = 4


@hypothesis("weight", "synapse", picks=True)
def solved_weights(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The weights with which the recorded sums come out; of several synapses, each with the others as they are."""
    seen = look(setup, layer, trace)
    sums = None if seen is None else recorded_sums(seen)
    if seen is None or sums is None:
        return
    came, known = sums
    left = np.where(known, came - seen.of_due("sums", len(came)), 0)
    if not left.any():
        return
    for name, node in synapses(setup, layer):
        x = seen.arriving(setup, name)[: len(came)]
        if node.weight_exp < 0:
            weight = _fitted(node, x, left, known)
        elif (left & ((1 << node.weight_exp) - 1)).any():
            continue
        else:
            weight = _solved(node, x, left >> node.weight_exp, known)
        if weight is not None:
            yield Candidate(_words(setup, name, node, weight, x), setup.with_node(name, weight=weight))


def _words(setup: Setup, name: str, node: Dense | Conv, there: Array, x: Array) -> str:
    here = node.weight
    for kind, text, variant in weight_variants(setup.network, name, here):
        if np.array_equal(variant, there):
            return f"{kind}|{name}: {text}"
    low, high = int(there.min()), int(there.max())
    if low < high and np.array_equal(here.clip(low, high), there):
        return f"weight-clipped|{name}: the weights are clipped to {low} to {high}"
    for axis, what in ((0, "output"), (1, "input")):
        order = permutation(here, there, axis)
        if order is not None:
            return f"{what}-order|{name}: {order_in_words(what, order)}"
    # Groups have inputs of their own.
    own = getattr(node, "groups", 1) > 1
    seen = None if own else np.asarray(patches(node, x, 0).any(axis=0)).reshape(here.shape[1:])
    rule = rule_in_words(weight_variants(setup.network, name, here), here, there, seen)
    if rule is not None:
        return f"{rule[0]}|{name}: {rule[1]}"
    apart = np.argwhere(there != here)
    listed = "; ".join(f"{at} is {there[tuple(at)]} there, {here[tuple(at)]} here" for at in apart[:LISTED].tolist())
    more = ", ..." if len(apart) > LISTED else ""
    return f"{name}: {len(apart)} weight(s) differ: {listed}{more}"


def _solved(node: Dense | Conv, x: Array, left: Array, known: Array) -> Array | None:
    weight = np.array(node.weight, np.int64)
    by_output = np.moveaxis(left, 2, 0).reshape(left.shape[2], -1)
    for out in np.flatnonzero(by_output.any(axis=1)):
        change = _solve(node, x, left[:, :, out], known[:, :, out], int(out))
        if change is None:
            return None
        weight[out] += change
    return weight


def _fitted(node: Dense | Conv, x: Array, left: Array, known: Array) -> Array | None:
    """The same behind a shift to the right, which takes less than 1 off every sum, half of it on average."""
    weight, scale = np.array(node.weight, np.int64), 2.0**node.weight_exp
    for out in range(len(weight)):
        if not left[:, :, out].any():
            continue
        rows = patches(node, x, out)[known[:, :, out].reshape(-1)][:SAMPLES]
        shifted = np.floor((rows @ weight[out].reshape(-1)) * scale)
        target = (left[:, :, out][known[:, :, out]].reshape(-1)[:SAMPLES] + shifted + (1 - scale) / 2) / scale
        if np.linalg.matrix_rank(rows) < rows.shape[1]:
            return None
        fitted = np.rint(np.linalg.lstsq(rows, target, rcond=None)[0])
        weight[out] = fitted.reshape(weight[out].shape).astype(np.int64)
    return weight


def _solve(node: Dense | Conv, x: Array, left: Array, known: Array, out: int) -> Array | None:
    """Integer changes of one output's weights that explain what is left of its sums (R, T, ...); None: none found."""
    there = known.reshape(-1)
    rows = patches(node, x, out)[there]
    target = left.reshape(-1)[there].astype(np.float64)
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


def patches(node: Dense | Conv, x: Array, out: int) -> Array:
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


@hypothesis("sums", "synapse")
def solved_bounds(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The bounds at which recorded sums are cut."""
    seen = look(setup, layer, trace)
    sums = None if seen is None else recorded_sums(seen)
    if seen is None or sums is None:
        return
    came, known = sums
    due = seen.of_due("sums", len(came))
    off = known & (came != due)
    low, high = int(came[known].min()), int(came[known].max())
    if off.any() and np.array_equal(due.clip(low, high)[known], came[known]):
        text = f"sums of inputs are cut off below {low} and above {high}"
        yield Candidate(text, setup.with_rules(layer, sums_between=(low, high)))
