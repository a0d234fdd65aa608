"""Whether causes are the whole cause: both runs are made anew, over all recordings, with what was blamed alone."""

from dataclasses import dataclass

import numpy as np

from deploy.checking.divergence.evidence import contradictions, wrongs
from deploy.checking.divergence.replay import replay
from deploy.checking.divergence.setup import Setup
from deploy.errors import DeployError, UnsupportedError
from deploy.network import Array
from deploy.runners.integer import run as run_integer
from deploy.runners.walk import offsets
from deploy.traces.compare import compare
from deploy.traces.layers import LayerRecord
from deploy.traces.prediction import predict
from deploy.traces.trace import Trace

BATCH = 64
"""Recordings that are run at once."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What came of running both sides again with the causes that were found.

    exact: every spike, and every u and v that was recorded, of all `recordings` came out on both sides.
    differing: neuron-steps in which the two traces differ, in spikes, or where no spike does, in the readout's
        potential.
    explained: those of them that came out on both sides. wrong: neuron-steps that came out wrong on either.
    left: the recordings in which anything did. of: what else was counted; "" of spikes or potentials.
    """

    exact: bool
    recordings: int
    differing: int
    explained: int
    wrong: int
    spikes: bool
    left: tuple[int, ...] = ()
    of: str = ""

    @property
    def what(self) -> str:
        return self.of or ("spikes" if self.spikes else "potentials")


def prove(reference: Setup, tested: Setup, expected: Trace, found: Trace) -> Proof | None:
    """Run both sides, which hold all recordings, and hold each against its trace; None where one cannot be run.

    A state that a recurrent layer keeps from one recording to the next cannot be run freely here. Such a side is
    stepped along its recorded run: where every layer gives what was recorded at every step, so does a free run.
    """
    recordings, left = len(reference.frames), list[int]()
    traces = expected.take(range(recordings)), found.take(range(recordings))
    exact, counts, spikes = True, np.zeros(3, np.int64), bool(_apart(*traces, spikes=True))
    try:
        for rows in _batches(recordings, reference, tested):
            made = [free_run(setup.take(rows)) for setup in (reference, tested)]
            held = [trace.take(range(*rows.indices(recordings))) for trace in traces]
            same = all(_same(record, run) for record, run in zip(held, made, strict=True))
            left += (
                []
                if same
                else [r for r in range(*rows.indices(recordings)) if not _same_in(held, made, r - rows.start)]
            )
            exact &= same
            counts += _count(held, made, spikes)
    except UnsupportedError:
        sides = list(zip((reference, tested), traces, strict=True))
        exact = all(_agrees(setup, trace) for setup, trace in sides)
        counts = np.array([1, exact, 0]) * _apart(*traces, spikes=spikes)
        left += [] if exact else [r for r in range(recordings) if not all(_agrees_in(*side, r) for side in sides)]
    except DeployError:
        return None
    differing, explained, wrong = (int(n) for n in counts)
    return Proof(
        exact=exact,
        recordings=recordings,
        differing=differing,
        explained=explained,
        wrong=wrong,
        spikes=spikes,
        left=tuple(left),
    )


def _agrees(setup: Setup, trace: Trace) -> bool:
    try:
        return all(own.agrees for own in contradictions(setup, trace).values())
    except DeployError:
        return False


def _agrees_in(setup: Setup, trace: Trace, row: int) -> bool:
    """Whether one recording does, the one before it beside it, from which it may inherit a state."""
    rows = np.arange(max(row - 1, 0), row + 1)
    try:
        found = wrongs(setup.take(rows), trace.take(rows.tolist()))
    except DeployError:
        return False
    return not any((own.output | own.states)[-1].any() for own in found.values())


def gives(setup: Setup, trace: Trace) -> bool:
    """Whether a free run of the setup gives everything that the trace holds of the same recordings."""
    try:
        for rows in _batches(len(setup.frames), setup):
            run = free_run(setup.take(rows))
            if not _same(trace.take(range(*rows.indices(len(setup.frames)))), run):
                return False
    except DeployError:
        return False
    return True


def free_run(setup: Setup) -> Trace:
    """What a setup gives by itself, with u and v of every layer."""
    if not setup.rules and setup.network.on_grid:
        try:
            return run_integer(setup.network, setup.seen, states=len(setup.frames), schedule=setup.schedule)
        except DeployError:
            pass  # what was blamed lies outside the grid, and the plain replay takes that too
    ran, late = replay(setup), offsets(setup.network, setup.schedule)
    layers = {}
    for name, node in setup.network.neurons.items():
        spikes = None if node.is_readout else ran.spikes[name]
        layers[name] = LayerRecord(spikes=spikes, u=ran.u[name], v=ran.v[name], offset=late[name])
    return Trace(layers=layers, predictions=predict(layers[setup.network.output_layer], setup.frames.shape[1]))


def _batches(recordings: int, *setups: Setup) -> list[slice]:
    """All at once where a state is carried from one recording to the next."""
    carried = any(part.carries for setup in setups for parts in setup.rules.values() for part in parts)
    size = recordings if carried else BATCH
    return [slice(start, min(start + size, recordings)) for start in range(0, recordings, size)]


def _same(record: Trace, run: Trace) -> bool:
    verdict = compare(record, run, partial=True)
    return verdict.first is None and not verdict.missing


def _same_in(held: list[Trace], made: list[Trace], row: int) -> bool:
    """Whether one recording came out on both sides, in what the layers hand on."""
    return all(
        np.array_equal(record.output(name)[row], run.aligned(record.layers[name].gives, name)[row])
        for record, run in zip(held, made, strict=True)
        for name in record.layers
    )


def _apart(one: Trace, other: Trace, *, spikes: bool) -> int:
    shared = [name for name in one.layers if name in other.layers and one.layers[name].is_readout != spikes]
    return sum(int((one.output(name) != other.output(name)).sum()) for name in shared)


def _count(held: list[Trace], made: list[Trace], spikes: bool) -> Array:
    """Neuron-steps that differ, those of them that came out on both sides, and those that came out wrong."""
    total = np.zeros(3, np.int64)
    for name, record in held[0].layers.items():
        if record.is_readout == spikes:
            continue
        outputs = [trace.output(name) for trace in held]
        wrong = np.zeros(outputs[0].shape, bool)
        for output, run in zip(outputs, made, strict=True):
            again = run.aligned(record.gives, name)
            if again.shape != output.shape:
                return total
            wrong |= again != output
        apart = outputs[0] != outputs[1]
        total += np.array([apart.sum(), (apart & ~wrong).sum(), wrong.sum()])
    return total
