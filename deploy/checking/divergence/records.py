"""Layers that were written down otherwise than they spiked: the run is right, and its record is not.

Such a layer contradicts its own record, and so does everything that it feeds; with the spikes that are due in place of
the recorded ones, both agree.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np

from deploy.checking.divergence.causes import Cause
from deploy.checking.divergence.chance import by_chance
from deploy.checking.divergence.evidence import contradictions
from deploy.checking.divergence.hypotheses.arrived import in_words
from deploy.checking.divergence.hypotheses.inputs import frame_variants
from deploy.checking.divergence.orders import order_in_words, permutation
from deploy.checking.divergence.recorders import copied_from, late_states, order_written, replayed
from deploy.checking.divergence.setup import Setup
from deploy.errors import DeployError
from deploy.network import Array, GridNeuron
from deploy.traces.layers import LayerRecord
from deploy.traces.trace import Trace

BATCH = 64


def as_sent(setup: Setup, few: Trace, whole: Trace) -> tuple[Trace, list[Cause]]:
    """The trace with what its layers sent in place of what was written of them, and how that differs.

    Args:
        setup: what ran, on the recordings of `few`; it holds the frames of all.
        few: some of the recordings. whole: all of them.
    """
    causes: list[Cause] = []
    for one, other in combinations(few.layers, 2):
        if few.layers[one].shape == few.layers[other].shape and _exchanged(setup, few, one, other):
            text = f"the traces of {one} and {other} are exchanged: each is recorded under the name of the other"
            causes.append(Cause(kind="recorded-otherwise", where=(one, other), text=text, side="runner"))
            whole, few = (_swapped(trace, one, other) for trace in (whole, few))
    for layer in few.spiking:
        late = late_states(setup, few, layer)
        if late:
            when = "late" if late[1] > 0 else "early"
            text = f"its spikes are recorded right, and its {late[0]} {abs(late[1])} step(s) {when}"
            causes.append(Cause(kind="recorded-otherwise", where=(layer,), text=text, side="runner"))
            whole, few = (_with_spikes(trace, layer, trace.output(layer), states=False) for trace in (whole, few))
            continue
        try:
            sent = _sent(setup, few, layer)
            if sent is None:
                continue
            copied = copied_from(whole, layer)
            order = None if copied else order_written(setup, few, layer)
            true = _with_spikes(few, layer, sent, order, states=not copied)
            if not _better(setup, few, true, layer, sure=order is not None):
                continue
            due = _sent_by_all(setup, whole, layer)
        except DeployError:
            continue
        written = whole.output(layer)[: len(due)]
        cause = _cause(layer, due, written, copied)
        if cause is None:
            continue
        causes.append(cause)
        whole, few = _with_spikes(whole, layer, due, order, states=not copied), true
    return whole, causes


def _exchanged(setup: Setup, trace: Trace, one: str, other: str) -> bool:
    """Whether two layers contradict their inputs, and follow from them under each other's name."""
    try:
        before, after = contradictions(setup, trace), contradictions(setup, _swapped(trace, one, other))
    except DeployError:
        return False
    return not (before[one].agrees or before[other].agrees) and after[one].agrees and after[other].agrees


def _swapped(trace: Trace, one: str, other: str) -> Trace:
    return replace(trace, layers={**trace.layers, one: trace.layers[other], other: trace.layers[one]})


def _sent(setup: Setup, trace: Trace, layer: str) -> Array | None:
    """What the layer sends by its own rule, fed what was recorded of the others; None where that was recorded."""
    if not isinstance(setup.network.nodes[layer], GridNeuron):
        return None
    due = replayed(setup, trace, layer).spikes[layer]
    offset = trace.layers[layer].offset
    due = due[:, offset : offset + trace.steps]
    return None if np.array_equal(due, trace.output(layer)) else due


def _better(setup: Setup, written: Trace, true: Trace, layer: str, *, sure: bool) -> bool:
    """Whether the layer, and all that it feeds, follow from what it sent, and did not from what was written.

    sure: what was written tells it by itself.
    """
    before, after = contradictions(setup, written), contradictions(setup, true)
    if not after[layer].agrees or before[layer].agrees:
        return False
    fed = [name for name in after if name != layer and layer in _feeds(setup, name)]
    if any(not after[name].agrees for name in fed):
        return False
    told = any(not before[name].agrees for name in fed)
    return told or sure or bool(before[layer].states)


def _feeds(setup: Setup, layer: str) -> set[str]:
    waiting, found = list(setup.network.sources(layer)), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [] if name in setup.network.neurons else setup.network.sources(name)
    return found


def _sent_by_all(setup: Setup, whole: Trace, layer: str) -> Array:
    assert setup.whole is not None
    parts = []
    for start in range(0, len(setup.whole), BATCH):
        rows = np.arange(start, min(start + BATCH, len(setup.whole)))
        one, trace = replace(setup, frames=setup.whole[rows], rows=rows), whole.take(rows.tolist())
        sent = _sent(one, trace, layer)
        parts.append(trace.output(layer) if sent is None else sent)
    return np.concatenate(parts)


def _with_spikes(trace: Trace, layer: str, spikes: Array, order: Array | None = None, *, states: bool = True) -> Trace:
    """The trace with other spikes of a layer, and its states in the order in which they belong, or without them."""
    record = trace.layers[layer]

    def kept(kind: str) -> Array | None:
        values = record.get(kind) if states else None
        if values is None or order is None:
            return values
        return values.reshape(*values.shape[:2], -1)[:, :, np.argsort(order)].reshape(values.shape)

    late = np.zeros((len(spikes), record.offset, *spikes.shape[2:]), bool)
    made = LayerRecord(
        spikes=np.concatenate([late, spikes.astype(bool)], axis=1),
        u=kept("u"),
        v=kept("v"),
        offset=record.offset,
    )
    return replace(trace, layers={**trace.layers, layer: made})


def _by_rule(due: Array, written: Array) -> str | None:
    """A recorder that is full after so many spikes, of a recording or of a step, or that mixes up recordings."""
    order = permutation(due, written, 0)
    if order is not None:
        return order_in_words("recording", order)
    size = due.shape[0] * due.shape[1]
    order = permutation(due.reshape(size, -1), written.reshape(size, -1), 1)
    if order is not None:
        return order_in_words("neuron", order)
    for axes, what in ((1, "recording"), (2, "step")):
        flat = due.reshape(*due.shape[:axes], -1)
        most = int(written.reshape(flat.shape).sum(axis=-1).max())
        if np.array_equal(flat & (np.cumsum(flat, axis=-1) <= most), written.reshape(flat.shape)):
            return f"the first {most:,} spikes of a {what} are written, those after them are lost"
    return None


def _cause(layer: str, due: Array, written: Array, copied: str | None) -> Cause | None:
    """None where some spikes are lost and others come from nowhere in no order: that has no name."""
    if copied:
        text = f"the record of another layer, {copied}, stands under this one's name as well"
        return Cause(kind="recorded-otherwise", where=(layer,), text=text, side="runner")
    for _, text, variant in frame_variants(due):
        if np.array_equal(variant, written):
            words = text
            break
    else:
        ruled = _by_rule(due, written)
        kind, words = (
            ("ruled", ruled)
            if ruled
            else in_words(due.astype(np.int64), written.astype(np.int64) - due.astype(np.int64))
        )
        if kind == "moved" or (kind == "lost-at-random" and not by_chance(due, due & ~written)):
            return None
    words = words.replace("events", "spikes").replace("event", "spike").replace("inputs", "neurons")
    if words.startswith("every") and f"in all {due.shape[1]} steps" in words:
        words += "; these are silent in the record"
    text = f"the layer sends what is due, and is recorded otherwise than it was sent: {words}"
    return Cause(kind="recorded-otherwise", where=(layer,), text=text, side="runner")
