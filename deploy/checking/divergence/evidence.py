"""Which layers of a recorded trace contradict a network by themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from deploy.checking.divergence.replay import Replay, replay
from deploy.checking.divergence.setup import Setup
from deploy.errors import DeployError, TraceError
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


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """One layer along its recorded trace, without its offset: where it contradicts its rule, each (R, T, ...).

    output: in spikes, or in v of a readout, apart from what float rounding decides; u, v: where these were recorded,
    else None; the rest is what was recorded (spikes; None of a readout) and what is due.
    """

    output: Array
    u: Array | None
    v: Array | None
    spikes: Array | None
    due: Array
    sums: Array
    potential: Array
    arriving: Mapping[str, Array]
    close: tuple[RoundedSpike, ...]

    @property
    def states(self) -> Array:
        """Where u or v is wrong."""
        whole = np.zeros(self.output.shape, bool)
        for wrong in (self.u, self.v):
            if wrong is not None:
                whole[: len(wrong)] |= wrong
        return whole


def contradictions(setup: Setup, trace: Trace, only: frozenset[str] | None = None) -> dict[str, Contradiction]:
    """For each layer (of `only`), where the trace contradicts the setup; frames and trace hold the same recordings."""
    found = {}
    for layer, wrong in wrongs(setup, trace, only).items():
        states = sum(int(values.sum()) for values in (wrong.u, wrong.v) if values is not None)
        count, first = int(wrong.output.sum()), earliest(wrong.output)
        found[layer] = Contradiction(layer=layer, count=count, first=first, states=states, close=wrong.close)
    return found


def wrongs(setup: Setup, trace: Trace, only: frozenset[str] | None = None) -> dict[str, Wrong]:
    """The same place by place; layers that the trace does not hold are left out."""
    _require_same_layers(setup.network, trace)
    predicted = replay(setup, along=trace, only=only)
    asked = predicted.v if only is None else only
    return {layer: _own(setup, trace, predicted, layer) for layer in asked if layer in trace.layers}


def left_wrong(setup: Setup, trace: Trace, layer: str) -> Array | None:
    """Where one layer contradicts a setup, its outputs and states together; None where the setup cannot run."""
    try:
        own = wrongs(setup, trace, frozenset([layer]))[layer]
    except DeployError:
        return None
    return own.output | own.states


def _require_same_layers(network: Network, trace: Trace) -> None:
    for name, layer in trace.layers.items():
        node = network.neurons.get(name)
        if node is None or node.shape != layer.shape[2:]:
            has = "no such layer" if node is None else f"neurons of shape {node.shape}"
            raise TraceError(f"{name}: recorded with neurons of shape {layer.shape[2:]}, and the network has {has}")


def _own(setup: Setup, trace: Trace, predicted: Replay, layer: str) -> Wrong:
    record = trace.layers[layer]
    window = slice(record.offset, record.offset + trace.steps)
    potential = predicted.potential[layer][:, window]
    node = setup.network.neurons[layer]
    exact = isinstance(node, GridNeuron)
    close: tuple[RoundedSpike, ...] = ()
    if not record.is_readout:
        unequal = predicted.spikes[layer][:, window] != trace.output(layer)
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
        unequal = _states_apart(predicted.v[layer][:, window], trace.output(layer), exact)
    # A flipped spike of a float network leaves u and v apart by rounding alone: only spikes judge it.
    apart: dict[str, Array | None] = {"u": None, "v": None}
    for kind in apart if exact else ():
        if kind in record and (kind == "u" or not record.is_readout):
            rows = trace.aligned(kind, layer)
            apart[kind] = _states_apart(getattr(predicted, kind)[layer][: len(rows), window], rows, exact)
    return Wrong(
        output=unequal,
        u=apart["u"],
        v=apart["v"],
        spikes=None if record.is_readout else trace.output(layer),
        due=predicted.spikes[layer][:, window],
        sums=predicted.sums[layer][:, window],
        potential=potential,
        arriving={name: x[:, window] for name, x in predicted.arriving.items()},
        close=close,
    )


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
