"""Mutation score of a model's recordings: replay each layer with one thing changed, and see whether its spikes tell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from deploy.checking.coverage.mutants import SAMPLE, Mutants, layers_fed, mutants_of
from deploy.checking.coverage.nearest import Approach
from deploy.checking.coverage.predictions import changed_predictions
from deploy.checking.coverage.replayed import neuron_test, replayed, weight_test
from deploy.checking.coverage.result import Coverage, Group
from deploy.errors import FramesError, UnsupportedError
from deploy.network import Array, Network
from deploy.network.frames import require_frames
from deploy.runners.integer.simulator import run
from deploy.traces.trace import Trace

BATCH_VALUES = 1 << 22
"""Neuron-steps replayed together."""


@dataclass
class _Tried:
    """A sample of one group and, by row, the first recording that shows it; -1: none so far.

    spikes: in spikes of the layer, or in the potential of a readout; states: in u or v.
    """

    mutants: Mutants
    total: int
    spikes: Array = field(init=False)
    states: Array = field(init=False)

    def __post_init__(self) -> None:
        self.spikes, self.states = (np.full(len(self.mutants), -1) for _ in range(2))


def coverage(network: Network, frames: Array, *, sample: int = SAMPLE, seed: int = 0) -> Coverage:
    """How many of the smallest changes of a network some recordings would show.

    A change counts as shown where a spike of its layer differs from what was recorded, or the potential of a readout:
    nothing else can differ before that does. So each layer is stepped alone, along what the recordings bring it.

    Args:
        network: on the grid.
        frames: (R, T, *input_shape) counts from 0 to 255.
        sample: changes tried of each parameter of each node, where there are more; drawn by `seed`.
        seed: of what is drawn.

    Raises:
        UnsupportedError: a network that is not on the grid, or neurons of a kind that is not known.
        FramesError: frames that the network does not take, or none.
    """
    if not network.on_grid:
        raise UnsupportedError("coverage changes integers by one step, and this model holds floats; compile it first")
    require_frames(frames, network.input_shape)
    if sample < 1:
        raise FramesError(f"a sample of {sample} changes shows nothing; try at least 1")
    rng = np.random.default_rng(seed)
    found, left_out = mutants_of(network)
    tried = [_drawn(rng, mutants, sample) for mutants in found]
    approaches: dict[str, Approach] = {}
    predictions = []
    for start, trace in _runs(network, frames):
        predictions.append(trace.predictions)
        for layer in network.neurons:
            _replay_layer(network, layer, trace, start, tried, approaches)
    groups = [
        Group(one.mutants.node, one.mutants.parameter, one.mutants.step, one.total, one.spikes, one.states)
        for one in tried
    ]
    chosen = [(one.mutants, one.total, one.spikes) for one in tried]
    return Coverage(
        recordings=len(frames),
        steps=frames.shape[1],
        groups=tuple(groups),
        approaches=tuple(approaches.values()),
        predictions=changed_predictions(network, frames, np.concatenate(predictions), chosen, rng),
        not_measured=tuple(left_out),
        seed=seed,
        sample=sample,
    )


def _drawn(rng: np.random.Generator, mutants: Mutants, sample: int) -> _Tried:
    total = len(mutants)
    rows = np.arange(total) if total <= sample else np.sort(rng.choice(total, sample, replace=False))
    # In an order of their own, so that the first of them are a sample too.
    return _Tried(mutants.take(rng.permutation(rows)), total)


def _runs(network: Network, frames: Array) -> Iterator[tuple[int, Trace]]:
    """The network on some recordings after the other, with the number of the first of them."""
    each = max(prod(node.shape) for node in network.neurons.values()) * frames.shape[1]
    batch = max(1, BATCH_VALUES // each)
    for start in range(0, len(frames), batch):
        yield start, run(network, frames[start : start + batch])


def _replay_layer(
    network: Network, layer: str, trace: Trace, start: int, tried: Sequence[_Tried], approaches: dict[str, Approach]
) -> None:
    """Try what is not shown yet on one layer, along one batch of recordings whose first is number `start`."""
    seen = replayed(network, layer, trace)
    if not seen.node.is_readout:
        own = Approach.of(seen)
        approaches[layer] = approaches[layer].joined(own) if layer in approaches else own
    for one in tried:
        if one.mutants.parameter == "weight":
            lags = layers_fed(network, one.mutants.node)
            if layer not in lags:
                continue
            test = weight_test(seen, one.mutants, lags[layer])
        elif one.mutants.node == layer:
            test = neuron_test(seen, one.mutants)
        else:
            continue
        for row in np.flatnonzero((one.spikes < 0) | (one.spikes >= start)):
            shown = test(int(row))
            one.spikes[row] = _earlier(one.spikes[row], shown.spikes, start)
            one.states[row] = _earlier(one.states[row], shown.states, start)


def _earlier(known: int, found: int, start: int) -> int:
    """The earlier of a recording that is known to show it and one found in a batch; -1: none."""
    if found < 0:
        return known
    return start + found if known < 0 else min(known, start + found)
