"""The first divergence from close by: what either run recorded there, what its network should give, how it spreads."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from deploy.checking.divergence.arriving import Input, inputs_of
from deploy.checking.divergence.evidence import as_scheduled
from deploy.checking.divergence.replay import replay
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, GridNeuron, Network
from deploy.traces.trace import Trace
from deploy.traces.verdict import Difference

MOST_INPUTS = 64
"""Inputs of one neuron that a program's view lists."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a trace holds of the neuron at this step, as it was written; None where it holds nothing."""

    spike: bool | None
    u: float | None
    v: float | None


@dataclass(frozen=True, kw_only=True)
class Due:
    """What the network of a run gives there for the inputs that were recorded, along the neuron's own recorded spikes.

    potential: before the reset; v: after it; threshold and spike None: a readout; exact: the numbers are integers.
    """

    exact: bool
    synaptic_sum: float
    u: float
    potential: float
    v: float
    threshold: float | None
    spike: bool | None
    inputs: tuple[Input, ...]

    @property
    def margin(self) -> float | None:
        """The potential's distance to the threshold; above 0 a spike is due."""
        return None if self.threshold is None else self.potential - self.threshold


@dataclass(frozen=True, kw_only=True)
class Side:
    """The neuron in one run: what was recorded, and what is due; None where its network or frames are not known."""

    recorded: Recorded
    due: Due | None

    @property
    def contradicts(self) -> bool:
        """Whether what was recorded is not what is due; for floats, the spike alone tells."""
        due, recorded = self.due, self.recorded
        if due is None:
            return False
        states = [(recorded.u, due.u), (recorded.v, due.v)] if due.exact else []
        return any(None not in pair and pair[0] != pair[1] for pair in ((recorded.spike, due.spike), *states))


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How the difference shows in one layer of this recording."""

    layer: str
    first_step: int
    differing: int
    neurons: int
    by_step: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """A difference and what surrounds it.

    `spread_in` is the recording whose spread is told: the one whose spikes differ first.
    """

    at: Difference
    expected: Side | None
    found: Side | None
    spread: tuple[Spread, ...]
    spread_in: int

    @property
    def inputs(self) -> tuple[tuple[Input, ...], tuple[Input, ...]] | None:
        """Of both runs, where both are known."""
        if self.expected is None or self.found is None or self.expected.due is None or self.found.due is None:
            return None
        return self.expected.due.inputs, self.found.due.inputs

    @property
    def same_inputs(self) -> bool | None:
        """Whether the same spikes arrived in both runs; None where that is not known."""
        if self.inputs is None:
            return None
        one, other = ({(i.synapse, i.index): i.count for i in inputs} for inputs in self.inputs)
        return one == other

    def as_dict(self) -> dict[str, Any]:
        return {
            "at": asdict(self.at),
            "same_inputs": self.same_inputs,
            "spread_in": self.spread_in,
            "spread": [asdict(layer) for layer in self.spread],
            "expected": self.expected and _plain(self.expected),
            "found": self.found and _plain(self.found),
        }


def _plain(side: Side) -> dict[str, Any]:
    due = side.due and replace(side.due, inputs=side.due.inputs[:MOST_INPUTS])
    return {"recorded": asdict(side.recorded), "due": due and asdict(due) | {"margin": due.margin}}


def look_at(
    at: Difference,
    expected: Trace,
    found: Trace,
    networks: tuple[Network | None, Network | None],
    frames: Array | None,
    spread_in: int,
) -> Divergence:
    """Look at one difference from close by.

    Args:
        at: the difference.
        expected, found: the two traces.
        networks: that of each, where known.
        frames: those of the expected trace; the found one may have its own.
        spread_in: the recording in which the spread is followed.
    """
    sides = []
    for trace, network in zip((expected, found), networks, strict=True):
        own = trace.frames if trace.frames is not None else frames
        sides.append(None if at.neuron is None else _side(at, trace, network, own))
    followed = spread(expected, found, spread_in)
    return Divergence(at=at, expected=sides[0], found=sides[1], spread=followed, spread_in=spread_in)


def spread(expected: Trace, found: Trace, recording: int) -> tuple[Spread, ...]:
    """By layer that differs in this recording, where its difference begins and how large it is."""
    rows = []
    for layer in expected.layers:
        a, b = (trace.output(layer)[recording] for trace in (expected, found))
        apart = (a != b).reshape(len(a), -1)
        if apart.any():
            by_step = apart.sum(axis=1)
            rows.append(
                Spread(
                    layer=layer,
                    first_step=int((by_step > 0).argmax()),
                    differing=int(by_step.sum()),
                    neurons=int(apart.any(axis=0).sum()),
                    by_step=tuple(int(n) for n in by_step),
                )
            )
    return tuple(rows)


def _side(at: Difference, trace: Trace, network: Network | None, frames: Array | None) -> Side:
    assert at.neuron is not None
    record = trace.layers[at.layer]
    place = (at.recording, at.step + record.offset, *at.neuron)
    held = {kind: record[kind][place] if at.recording < record.held(kind) else None for kind in ("spikes", "u", "v")}
    recorded = Recorded(
        spike=None if held["spikes"] is None else bool(held["spikes"]),
        u=None if held["u"] is None else float(held["u"]),
        v=None if held["v"] is None else float(held["v"]),
    )
    due = None
    if network is not None and frames is not None and frames.shape[1:] == (trace.steps, *network.input_shape):
        due = _due(at, trace, network, frames)
    return Side(recorded=recorded, due=due)


def _due(at: Difference, trace: Trace, network: Network, frames: Array) -> Due | None:
    node = network.neurons.get(at.layer)
    neuron = at.neuron
    assert neuron is not None
    if node is None or node.shape != trace.layers[at.layer].shape[2:]:
        return None
    one = as_scheduled(replace(trace, frames=None).take([at.recording]), network)
    setup = Setup(network=network, frames=frames[[at.recording]], schedule=one.schedule)
    seen = replay(setup, along=one, only=frozenset([at.layer]))
    step = at.step + one.layers[at.layer].offset
    place = (0, step, *neuron)
    threshold = node.firing_potential
    potential, spikes = seen.potential[at.layer], seen.spikes[at.layer]
    # The replay is reset where a spike was recorded; what is due is reset by the spike that is due.
    v = potential if node.reset_delay or threshold is None else node.reset_where(potential, spikes)
    return Due(
        exact=isinstance(node, GridNeuron),
        synaptic_sum=float(seen.sums[at.layer][place]),
        u=float(seen.u[at.layer][place]),
        potential=float(potential[place]),
        v=float(v[place]),
        threshold=None if threshold is None else float(np.broadcast_to(threshold, node.shape)[neuron]),
        spike=None if threshold is None else bool(spikes[place]),
        inputs=tuple(inputs_of(network, at.layer, neuron, {name: x[0, step] for name, x in seen.arriving.items()})),
    )
