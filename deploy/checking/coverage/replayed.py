"""One layer along what some recordings bring it, laid out for the kernels: places, then steps."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from deploy.checking.coverage.kernels import HARD, SOFT, Reset, changed_neuron, changed_weight
from deploy.checking.coverage.mutants import Mutants
from deploy.checking.coverage.taps import Taps
from deploy.checking.divergence.replay import Setup, replay
from deploy.grid import DECAY_ONE, DU_IMMEDIATE, STATE_BITS
from deploy.network import Array, Conv, Dense, GridNeuron, Network
from deploy.network.ops import apply
from deploy.traces.trace import Trace


class Shown(NamedTuple):
    """The first recording in which a spike (of a readout v), and in which u or v differs; -1: none."""

    spikes: int
    states: int


@dataclass(frozen=True)
class Replayed:
    """A layer of R recordings: sums and counts by synapse are (R, places, T) int64, the potential (R, T, *shape)."""

    network: Network
    layer: str
    sums: Array
    counts: dict[str, Array]
    potential: Array
    spikes: Array

    @property
    def node(self) -> GridNeuron:
        node = self.network.nodes[self.layer]
        assert isinstance(node, GridNeuron)
        return node


def replayed(network: Network, layer: str, trace: Trace) -> Replayed:
    """Step a layer again along a synchronous trace that holds its frames."""
    assert trace.frames is not None
    seen = replay(Setup(network=network, frames=trace.frames), along=trace, only=frozenset([layer]))
    # What a recurrent edge carries before the first step stands in front of the steps.
    own = {name: x[:, x.shape[1] - trace.steps :] for name, x in seen.arriving.items()}
    return Replayed(
        network=network,
        layer=layer,
        sums=_places_first(seen.sums[layer]),
        counts={name: _places_first(x) for name, x in own.items()},
        potential=seen.potential[layer],
        spikes=seen.spikes[layer],
    )


def neuron_test(seen: Replayed, mutants: Mutants) -> Callable[[int], Shown]:
    """What becomes of the change in a row of `mutants`, which are of the layer's own parameters."""
    old, column = parameters(seen.node), {"du": 0, "dv": 1, "bias": 2, "vth": 3}[mutants.parameter]
    factor = {"du": -1, "dv": -1, "bias": 1, "vth": 1 << STATE_BITS}[mutants.parameter]
    reset = reset_of(seen.node)

    def test(row: int) -> Shown:
        place = int(mutants.elements[row])
        new = old[place].copy()
        new[column] += factor * mutants.deltas[row]
        return Shown(*changed_neuron(seen.sums, place, old[place], new, reset))

    return test


def weight_test(seen: Replayed, mutants: Mutants, lag: int) -> Callable[[int], Shown]:
    """The same of a synapse that feeds the layer, whose spikes come `lag` steps late."""
    node, name = seen.network.nodes[mutants.node], mutants.node
    assert isinstance(node, Dense | Conv)
    before = seen.network.shapes[seen.network.sources(name)[0]]
    taps, counts = Taps(node, before, seen.network.shapes[name]), _late(seen.counts[name], lag)
    raw = _unshifted(node, counts, before) if node.weight_exp < 0 else np.zeros((0, 0, 0), np.int64)
    own, reset = parameters(seen.node), reset_of(seen.node)

    def test(row: int) -> Shown:
        neurons, inputs = taps.of(int(mutants.elements[row]))
        delta = int(mutants.deltas[row])
        return Shown(*changed_weight(seen.sums, raw, counts, neurons, inputs, delta, node.weight_exp, own, reset))

    return test


def parameters(node: GridNeuron) -> Array:
    """(n, 4): what u and v keep in 1/4096, bias and threshold in units of the state."""
    threshold = node.firing_potential
    columns = DU_IMMEDIATE - node.du, DECAY_ONE - node.dv, node.bias, 0 if threshold is None else threshold
    whole = [np.broadcast_to(np.asarray(value, np.int64), node.shape).ravel() for value in columns]
    return np.ascontiguousarray(np.stack(whole, axis=1))


def reset_of(node: GridNeuron) -> Reset:
    kind = {"zero": HARD, "subtract": SOFT, "none": 0}[node.reset_mechanism]
    return Reset(kind, node.reset_delay, node.is_readout)


def _places_first(x: Array) -> Array:
    """(R, T, ...) to (R, places, T)."""
    return np.ascontiguousarray(x.reshape(*x.shape[:2], -1).transpose(0, 2, 1), np.int64)


def _late(x: Array, lag: int) -> Array:
    out = np.zeros_like(x)
    out[:, :, lag:] = x[:, :, : x.shape[2] - lag]
    return out if lag else x


def _unshifted(node: Dense | Conv, counts: Array, before: tuple[int, ...]) -> Array:
    """What a synapse gives before its sums are shifted, (R, places, T); exact in float64."""
    flat = counts.transpose(0, 2, 1).reshape(-1, *before).astype(np.float64)
    whole = type(node)(**{**vars(node), "weight": node.weight.astype(np.float64)})
    return _places_first(apply(whole, flat).reshape(len(counts), counts.shape[2], -1))
