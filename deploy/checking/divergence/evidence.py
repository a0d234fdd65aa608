"""Which layers of a recorded trace contradict a network by themselves."""

from dataclasses import dataclass, replace

import numpy as np

from deploy.checking.divergence.replay import Replay, Setup, replay
from deploy.network import Array, GridNeuron, Network
from deploy.runners.walk import offsets
from deploy.traces.trace import Trace

FLOAT_MARGIN = 1e-4
"""Relative distance to the threshold within which two float32 runs may round a spike differently (summation order)."""


@dataclass(frozen=True, kw_only=True)
class RoundedSpike:
    """A spike of a float network that rounding decides; margin is |potential - threshold| / |threshold|."""

    layer: str
    recording: int
    step: int
    neuron: tuple[int, ...]
    margin: float


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """Where one layer contradicts its rule, given its recorded inputs and past.

    count: differing neuron-steps in spikes, or in v of a readout; first: (step, recording, neuron...) of the earliest;
    states: differing neuron-steps of u and v where the trace has them; close: spikes of a float network that rounding
    decides, with a margin to the threshold below `FLOAT_MARGIN`; they do not count.
    """

    layer: str
    count: int
    first: tuple[int, ...] | None
    states: int
    close: tuple[RoundedSpike, ...]

    @property
    def agrees(self) -> bool:
        return not self.count and not self.states


def as_scheduled(trace: Trace, network: Network) -> Trace:
    """The trace as it is where its offsets are those of its schedule here; else without offsets."""
    if trace.offsets == offsets(network, trace.schedule):
        return trace
    layers = {name: layer.synchronous(trace.steps) for name, layer in trace.layers.items()}
    return replace(trace, layers=layers, schedule="synchronous")


def contradictions(setup: Setup, trace: Trace, only: frozenset[str] | None = None) -> dict[str, Contradiction]:
    """For each layer (of `only`), where the trace contradicts the setup; frames and trace hold the same recordings."""
    predicted = replay(setup, along=trace, only=only)
    return {layer: _own(setup, trace, predicted, layer) for layer in predicted.v}


def _own(setup: Setup, trace: Trace, predicted: Replay, layer: str) -> Contradiction:
    record = trace.layers[layer]
    start, stop = record.offset, record.offset + trace.steps
    potential = predicted.potential[layer][:, start:stop]
    node = setup.network.neurons[layer]
    exact = isinstance(node, GridNeuron)
    close: tuple[RoundedSpike, ...] = ()
    if not record.is_readout:
        unequal = predicted.spikes[layer][:, start:stop] != trace.output(layer)
        if not exact:
            threshold = node.firing_potential
            assert threshold is not None
            distance, scale = abs(potential - threshold), abs(threshold)
            near = distance <= FLOAT_MARGIN * scale
            margin = distance / np.where(scale > 0, scale, 1)
            close = tuple(
                RoundedSpike(
                    layer=layer, recording=r, step=t, neuron=tuple(neuron), margin=float(margin[r, t, *neuron])
                )
                for r, t, *neuron in np.argwhere(unequal & near).tolist()
            )
            unequal &= ~near
    else:
        unequal = _states_apart(predicted.v[layer][:, start:stop], trace.output(layer), exact)
    states = 0
    for kind in ("u", "v"):
        if kind in record and not record.is_readout:
            rows = trace.aligned(kind, layer)
            states += int(_states_apart(getattr(predicted, kind)[layer][: len(rows), start:stop], rows, exact).sum())
    # A flipped spike of a float network leaves u and v apart by rounding alone: only spikes judge it.
    states = states if exact else 0
    return Contradiction(layer=layer, count=int(unequal.sum()), first=earliest(unequal), states=states, close=close)


def earliest(unequal: Array) -> tuple[int, ...] | None:
    """(step, recording, neuron...) of the first True in (R, T, ...), earliest step first; None where there is none."""
    if not unequal.any():
        return None
    by_step = np.moveaxis(unequal, 1, 0)
    return tuple(int(i) for i in np.unravel_index(int(by_step.argmax()), by_step.shape))


def _states_apart(a: Array, b: Array, exact: bool) -> Array:
    if exact:
        return a != b
    # By the predicted side, and so that whatever is not a number is apart from everything.
    size = float(np.abs(a).max(initial=0.0))
    return ~(abs(a - b) <= FLOAT_MARGIN * max(size, 1e-30))
