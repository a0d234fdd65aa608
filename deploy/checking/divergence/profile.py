"""What is known of a layer that contradicts its inputs, before any name is given to it: facts, each of them counted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from deploy.checking.divergence.evidence import Wrong, wrongs
from deploy.checking.divergence.places import neurons_in_words, recordings_in_words, steps_in_words
from deploy.checking.divergence.setup import Setup
from deploy.errors import DeployError
from deploy.network import Array
from deploy.traces.trace import Trace

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One layer against what its own rule gives for the recorded inputs, along its recorded spikes.

    missing, extra: spikes that are due and were not recorded, and the other way round; values: neuron-steps of u or v
    (of a readout: of its potential) that are not what is due. facts: sentences without a subject.
    """

    layer: str
    missing: int
    extra: int
    values: int
    neurons: int
    first_step: int
    recordings: tuple[int, ...]
    facts: tuple[str, ...]


@dataclass(frozen=True)
class _Seen:
    """All recordings of one layer: what is wrong, missing or extra, and what surrounds it, each (R, T, ...)."""

    wrong: Array
    due: Array
    spikes: Array | None
    sums: Array
    potential: Array
    threshold: Array | None
    arrived: Array
    u_wrong: Array | None
    v_wrong: Array | None


PROFILED = 2
"""Layers of which facts are told, the first ones."""


def profiles(setup: Setup, trace: Trace, layers: Sequence[str]) -> tuple[Profile, ...]:
    """The facts about the first of these layers, in order of execution."""
    seen = (profile(setup, trace, layer) for layer in layers[:PROFILED])
    return tuple(one for one in seen if one is not None)


def profile(setup: Setup, trace: Trace, layer: str) -> Profile | None:
    """The facts about one layer over all recordings of the setup; None where it is not wrong, or cannot be stepped."""
    try:
        seen = _look(setup, trace, layer)
    except DeployError:
        return None
    if not seen.wrong.any():
        return None
    steps = np.flatnonzero(seen.wrong.any(axis=(0, *range(2, seen.wrong.ndim))))
    rows = np.flatnonzero(seen.wrong.reshape(len(seen.wrong), -1).any(axis=1))
    where: Array = np.asarray(seen.wrong.any(axis=(0, 1)))
    missing = extra = 0
    if seen.spikes is not None:
        missing, extra = int((seen.due & ~seen.spikes).sum()), int((seen.spikes & ~seen.due).sum())
    facts = [
        *_how_many(seen, missing, extra),
        neurons_in_words(where),
        steps_in_words(steps.tolist(), seen.wrong.shape[1]),
        recordings_in_words(rows.tolist(), len(seen.wrong)),
        *_silent(seen, where, int(steps[0])),
        *_surroundings(seen, where),
    ]
    return Profile(
        layer=layer,
        missing=missing,
        extra=extra,
        values=int(seen.wrong.sum()) - missing - extra if seen.spikes is None or not missing + extra else 0,
        neurons=int(where.sum()),
        first_step=int(steps[0]),
        recordings=tuple(rows.tolist()),
        facts=tuple(facts),
    )


def _look(setup: Setup, trace: Trace, layer: str) -> _Seen:
    parts = []
    for start in range(0, len(setup.frames), BATCH):
        rows = range(start, min(start + BATCH, len(setup.frames)))
        one = setup.take(slice(rows.start, rows.stop))
        parts.append(_part(wrongs(one, trace.take(rows), frozenset([layer]))[layer], setup, layer))
    joined = {}
    for name in _Seen.__annotations__:
        values = [getattr(part, name) for part in parts]
        whole = name == "threshold" or any(value is None for value in values)
        joined[name] = values[0] if whole else np.concatenate(values)
    return _Seen(**joined)


def _part(wrong: Wrong, setup: Setup, layer: str) -> _Seen:
    node = setup.network.neurons[layer]
    arrived = np.zeros(wrong.output.shape[:2], np.int64)
    for x in wrong.arriving.values():
        arrived += x.reshape(*x.shape[:2], -1).sum(axis=2, dtype=np.int64)
    spiking = wrong.spikes is not None
    either = wrong.output if spiking and wrong.output.any() else wrong.output | wrong.states
    threshold = node.firing_potential
    return _Seen(
        wrong=either,
        due=wrong.due,
        spikes=wrong.spikes,
        sums=wrong.sums,
        potential=wrong.potential,
        threshold=None if threshold is None else np.broadcast_to(threshold, node.shape),
        arrived=arrived,
        u_wrong=wrong.u,
        v_wrong=wrong.v,
    )


def _how_many(seen: _Seen, missing: int, extra: int) -> Iterator[str]:
    if seen.spikes is None:
        yield f"the potential is not what is due at {int(seen.wrong.sum()):,} neuron-steps"
    elif not missing and not extra:
        yield f"every spike is due; u or v is not what is due at {int(seen.wrong.sum()):,} neuron-steps"
    elif not extra:
        yield f"{missing:,} of {int(seen.due.sum()):,} spikes that are due are missing, none is extra"
    elif not missing:
        yield f"{extra:,} spikes are extra beside {int(seen.due.sum()):,} that are due, none is missing"
    else:
        yield f"{missing:,} of {int(seen.due.sum()):,} spikes that are due are missing, {extra:,} are extra"
    for kind, wrong in (("u", seen.u_wrong), ("v", seen.v_wrong)):
        if wrong is not None:
            yield (
                f"{kind} is not what is due at {int(wrong.sum()):,} neuron-steps" if wrong.any() else f"{kind} is right"
            )


def _silent(seen: _Seen, where: Array, step: int) -> Iterator[str]:
    """Whether the neurons in question never spike, or always do, from the first wrong step on."""
    if seen.spikes is None or not (seen.spikes != seen.due).any():
        return
    given = seen.spikes[:, step:, where]
    if not given.any():
        yield "these are silent" if not step else f"from step {step} on these are silent"
    elif given.all():
        yield "these spike at every step" if not step else f"from step {step} on these spike at every step"


def _surroundings(seen: _Seen, where: Array) -> Iterator[str]:
    """How being wrong goes with what arrives, with the sums and potentials, and with the neuron's own spikes."""
    wrong, right = seen.wrong[:, :, where], ~seen.wrong[:, :, where]
    sums, potential = seen.sums[:, :, where], seen.potential[:, :, where]
    without = int((wrong & (sums == 0)).sum())
    yield "only with input" if not without else f"{without:,} of {int(wrong.sum()):,} without any sum of inputs"
    steps = seen.wrong.reshape(*seen.wrong.shape[:2], -1).any(axis=2)
    if steps.any() and not steps.all():
        least, most = int(seen.arrived[steps].min()), int(seen.arrived[~steps].max())
        if least > most:
            yield f"in every step in which more than {most:,} spikes arrive, in no other"
        else:
            there, elsewhere = seen.arrived[steps].mean(), seen.arrived[~steps].mean()
            yield f"{there:,.0f} spikes arrive in such a step, {elsewhere:,.0f} in others"
    for name, value in (("sums of inputs", sums), ("potentials", potential)):
        yield f"{name} {_range(value[wrong])} there" + (f", {_range(value[right])} elsewhere" if right.any() else "")
    if seen.threshold is not None:
        distance = np.abs(potential - seen.threshold[where])[wrong]
        yield f"distance to the threshold {_range(distance)}"
    if seen.spikes is not None and seen.spikes.shape[1] > 1:
        before = np.zeros_like(seen.spikes[:, :, where])
        before[:, 1:] = seen.spikes[:, :-1, where]
        of, all_of = int((wrong & before).sum()), int(wrong.sum())
        if of in (0, all_of):
            yield f"{'always' if of else 'never'} in the step after a spike of the neuron"


def _range(values: Array) -> str:
    sign = ", all negative" if (values < 0).all() else ", none negative" if (values >= 0).all() else ""
    return f"from {values.min():,g} to {values.max():,g}{sign}"
