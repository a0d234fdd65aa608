"""Constants of neurons solved from what was recorded, neuron by neuron: decays, biases, thresholds, where v started."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from deploy import grid
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.hypotheses.states import Seen, before, look, transitions
from deploy.checking.divergence.places import neurons_in_words, recordings_in_words
from deploy.checking.divergence.rules import RIGHT, Rules
from deploy.checking.divergence.setup import Setup
from deploy.network import Array
from deploy.traces.trace import Trace

MOST_NEURONS, MOST_STEPS = 256, 64
"""Neurons, and steps of each, that a decay is solved from; what it gives is then held against all of them."""


def _where(apart: Array) -> str:
    return "" if apart.all() else f", in {neurons_in_words(apart)}"


@hypothesis("potential-decay", "neuron", picks=True)
def solved_decay(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The decay dv with which every recorded potential follows from the one before."""
    seen = look(setup, layer, trace)
    moved = None if seen is None else transitions(seen)
    if seen is None or moved is None:
        return
    old, new, known = moved
    dv = _decay(old, new, known, seen.full("dv"), 0)
    if dv is not None:
        apart = dv != seen.full("dv")
        text = f"the decay dv of the potential is {dv[apart].flat[0]} there, {seen.full('dv')[apart].flat[0]} here"
        text += " (of each neuron its own)" if np.ptp(dv[apart]) else ""
        yield Candidate(text + _where(apart), setup.with_node(layer, dv=dv))


@hypothesis("current-decay", "neuron", picks=True)
def solved_current_decay(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The same of the current, with the sums that are due."""
    seen = look(setup, layer, trace)
    if seen is None or seen.u is None:
        return
    new = seen.u - (seen.of_due("sums", len(seen.u)).astype(np.int64) << grid.STATE_BITS)
    du = _decay(before(seen.u), new, np.ones(new.shape, bool), seen.full("du"), 1)
    if du is not None:
        apart = du != seen.full("du")
        text = f"the decay du of the current is {du[apart].flat[0]} there, {seen.full('du')[apart].flat[0]} here"
        yield Candidate(text + _where(apart), setup.with_node(layer, du=du))


def _decay(old: Array, new: Array, known: Array, here: Array, plus: int) -> Array | None:
    """The one decay of most neurons that do not follow theirs, or one for each of them; None where there is none."""
    due = grid.toward_zero(old * (grid.DECAY_ONE - plus - here), grid.DECAY_BITS)
    wrong = known & (due != new)
    guilty = np.argwhere(wrong.any(axis=(0, 1)))
    decays = np.arange(grid.DECAY_ONE + 1 - plus)
    possible = np.zeros((len(guilty[:MOST_NEURONS]), len(decays)), bool)
    for row, at in zip(possible, guilty, strict=False):
        index = (slice(None), slice(None), *at)
        a, b = old[index][known[index]], new[index][known[index]]
        chosen = np.argsort(-np.abs(a))[:MOST_STEPS]
        kept = grid.DECAY_ONE - plus - decays
        row[:] = (grid.toward_zero(a[chosen] * kept[:, None], grid.DECAY_BITS) == b[chosen]).all(axis=1)
    if not possible.any():
        return None
    value = int(possible.sum(axis=0).argmax())
    fits = grid.toward_zero(old * (grid.DECAY_ONE - plus - value), grid.DECAY_BITS) == new
    solved = np.where(wrong.any(axis=(0, 1)) & (fits | ~known).all(axis=(0, 1)), value, here)
    if (solved != here).sum() < len(guilty) == len(possible) and possible.any(axis=1).all():
        solved = here.copy()
        solved[tuple(guilty.T)] = possible.argmax(axis=1)
    return None if np.array_equal(solved, here) else solved


@hypothesis("bias", "neuron", picks=True)
def solved_bias(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The bias with which every recorded potential follows from the one before."""
    seen = look(setup, layer, trace)
    moved = None if seen is None else transitions(seen)
    if seen is None or moved is None:
        return
    old, new, known = moved
    here = seen.full("bias")
    left = new + here - grid.toward_zero(old * (grid.DECAY_ONE - seen.full("dv")), grid.DECAY_BITS)
    low = np.where(known, left, np.iinfo(np.int64).max).min(axis=(0, 1))
    high = np.where(known, left, np.iinfo(np.int64).min).max(axis=(0, 1))
    bias = np.where(low == high, low, here)
    apart = bias != here
    if apart.any():
        at = tuple(int(i) for i in np.argwhere(apart)[0])
        text = f"the bias differs in {int(apart.sum()):,} neurons: {list(at)} has {bias[at]} there, {here[at]} here"
        yield Candidate(text, setup.with_node(layer, bias=bias))


@hypothesis("threshold", "neuron", picks=True)
def solved_threshold(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The one threshold of the neurons that do not follow theirs: above what stayed silent, below what spiked."""
    seen = look(setup, layer, trace)
    if seen is None or seen.spikes is None or seen.cell.vth is None:
        return
    potential, spiked, here = seen.of_due("potential"), seen.spikes, seen.full("vth")
    low = np.where(spiked, np.iinfo(np.int64).min, potential).max(axis=(0, 1))
    high = np.where(spiked, potential, np.iinfo(np.int64).max).min(axis=(0, 1))
    wrong: Array = np.asarray((low > here << 6) | (high <= here << 6))
    if not wrong.any():
        return
    first, last = -(-int(low[wrong].max()) // 64), (int(high[wrong].min()) - 1) // 64
    if first <= last < grid.UNREACHABLE and first > 0:
        between = f"{first}" if first == last else f"between {first} and {last}"
        text = f"the threshold vth is {between} there, {here[wrong].flat[0]} here{_where(wrong)}"
        same = wrong if not _fits(seen, low, high, first) else np.ones_like(wrong)
        yield Candidate(text, setup.with_node(layer, vth=np.where(same, first, here)))
        return
    lowest, highest = np.maximum(-(-low // 64), 1), np.minimum((high - 1) // 64, grid.UNREACHABLE - 1)
    if (lowest <= highest)[wrong].all():
        # What is known on one side alone is taken from there.
        middle = np.where(high < np.iinfo(np.int64).max, (lowest + highest) // 2, lowest)
        own = np.where(wrong, np.where(low > np.iinfo(np.int64).min, middle, highest), here)
        text = f"every neuron has a threshold vth of its own, {own[wrong].min()} to {own[wrong].max()}{_where(wrong)}"
        yield Candidate(text, setup.with_node(layer, vth=own))


def _fits(seen: Seen, low: Array, high: Array, vth: int) -> bool:
    """Whether one threshold does for the whole layer, which had one."""
    here = seen.full("vth")
    return bool((here == here.flat[0]).all() and (low <= vth << 6).all() and (high > vth << 6).all())


@hypothesis("start", "neuron")
def solved_start(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Where v was before the first step, where its first value was recorded of every recording."""
    seen = look(setup, layer, trace)
    moved = None if seen is None else transitions(seen)
    if seen is None or moved is None or seen.v is None or len(seen.v) < len(setup.frames):
        return
    left, kept = np.where(moved[2][:, 0], moved[1][:, 0], 0), grid.DECAY_ONE - seen.full("dv")
    if not (left != 0).any() or (kept == 0).all():
        return
    magnitude = -(-np.abs(left) * grid.DECAY_ONE // np.maximum(kept, 1))
    start = np.zeros((len(setup.frames if setup.whole is None else setup.whole), *seen.cell.shape), np.int64)
    start[setup.numbers] = np.sign(left) * magnitude
    if seen.spikes is not None:
        # A neuron that spiked at once was reset: it started high enough, or low enough, for that.
        assert seen.cell.firing_potential is not None
        due, spiked = seen.of_due("potential")[:, 0], seen.spikes[:, 0]
        above = seen.cell.firing_potential - due
        needed = -(-(np.maximum(above, 0) + 1) * grid.DECAY_ONE // np.maximum(kept, 1))
        start[setup.numbers] = np.where(spiked, np.where(above >= 0, needed, 0), start[setup.numbers])
    first = np.flatnonzero(setup.numbers == 0)
    if len(setup.numbers) > 1 and len(first) and not start[0].any():
        return  # only what another recording left behind is 0 in the first one, and that has a cause of its own
    base = setup.rules.get(layer, (RIGHT,))[0]
    part = Rules(**{**vars(base), "start": start})
    rows = np.flatnonzero(start.reshape(len(start), -1).any(axis=1)).tolist()
    text = f"the potential starts between {start.min():,} and {start.max():,} instead of at 0"
    text += f", {recordings_in_words(rows, len(start))}" if len(rows) < len(start) else ""
    rules = {**setup.rules, layer: (part, *setup.rules.get(layer, (RIGHT,))[1:])}
    yield Candidate(text, replace(setup, rules=rules))
