"""How near the potentials of a run came to the thresholds, and how near two models came to differ there."""

from dataclasses import dataclass

import numpy as np

from deploy.checking.witness.cut import Cut, cut
from deploy.checking.witness.targets import Target
from deploy.grid import saturate
from deploy.network import Array, GridNeuron, Network
from deploy.network.state import NEVER, State
from deploy.runners import integer
from deploy.traces.layers import LayerRecord

APART = 1e12
"""A distance that says no more than that nothing came near at all."""


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """Of each recording, (R,): whether it is a hit, and how near it came, 0 and above; `APART`: not at all.

    places: (R, 1 + n) the step and the neuron where it came nearest. raised: (R,) whether the potential has to rise
    there for a hit, rather than to fall.
    """

    hit: Array
    distance: Array
    places: Array
    raised: Array


def potentials(node: GridNeuron, record: LayerRecord) -> Array:
    """v before the reset, (R, T, *shape) int64, of a layer whose spikes, u and v are kept."""
    u, v, spikes = record["u"], record["v"], record.get("spikes")
    before, age = np.zeros(v.shape, np.int64), np.full(v.shape, NEVER)
    before[:, 1:] = v[:, :-1]
    if spikes is not None:
        age[:, 1:][spikes[:, :-1]] = 1
    state = State(u, before, age)
    return saturate(node.late_reset(state, node.driven(state, u.astype(np.int64))))


class Rise:
    """How far the neurons of `wanted`, (*shape) bool, of a layer stay below their thresholds; a hit: one spikes."""

    def __init__(self, network: Network, layer: str, wanted: Array) -> None:
        rows = np.flatnonzero(wanted.reshape(len(wanted), -1).any(axis=1))
        self.network, self.layer = network, layer
        self._cut = cut(network, layer, rows)
        self._wanted = wanted if self._cut.rows is None else wanted[self._cut.rows]

    def __call__(self, frames: Array) -> Nearness:
        margin = _margins(self._cut, _arriving(self._cut, frames))
        assert margin is not None
        below = np.where(self._wanted, np.maximum(1 - margin, 0), APART)
        return _nearest(self._cut, below, np.ones(below.shape, bool))


class Straddle:
    """How near two models came to differ in a layer: the least distance of a threshold from lying between them.

    The distance is in units of the difference of both potentials. A hit: one spikes and the other does not; of a
    readout, their potentials differ. Recordings in which no potential of both differs are `APART`.
    """

    def __init__(self, one: Network, other: Network, target: Target) -> None:
        self.network, self.layer = one, target.layer
        self._cuts = cut(one, target.layer, target.rows), cut(other, target.layer, target.rows)

    def __call__(self, frames: Array) -> Nearness:
        arriving = _arriving(self._cuts[0], frames)  # of both: nothing before the layer differs
        one, other = self._cuts
        a, b = _margins(one, arriving), _margins(other, arriving)
        apart = np.abs(a - b)
        if one.behind.nodes[self.layer].is_readout:  # pyright: ignore[reportAttributeAccessIssue]
            return _nearest(one, np.where(apart > 0, 0, APART), np.ones(a.shape, bool))
        with np.errstate(divide="ignore"):
            distance = np.where(apart > 0, np.minimum(np.abs(a - 0.5), np.abs(b - 0.5)) / apart, APART)
        distance[(a > 0) != (b > 0)] = 0
        return _nearest(one, distance, np.maximum(a, b) <= 0)


def _arriving(part: Cut, frames: Array) -> Array:
    """What the part behind the cut is given: the spikes of its source, or the frames."""
    if part.before is None:
        return frames
    return integer.run(part.before, frames).layers[part.source].output.view(np.uint8)


def _margins(part: Cut, arriving: Array) -> Array:
    """By how much the potential before the reset is above the threshold; of a readout, the potential."""
    record = integer.run(part.behind, arriving, states=len(arriving)).layers[part.layer]
    node = part.behind.nodes[part.layer]
    assert isinstance(node, GridNeuron)
    v = potentials(node, record)
    return v if node.firing_potential is None else v - node.firing_potential


def _nearest(part: Cut, distance: Array, raised: Array) -> Nearness:
    recordings = np.arange(len(distance))
    flat = distance.reshape(len(distance), -1).argmin(axis=1)
    places = np.stack(np.unravel_index(flat, distance.shape[1:]), axis=1)
    nearest = distance[(recordings, *places.T)]
    wanted = raised[(recordings, *places.T)]
    if part.rows is not None:
        places[:, 1] = part.rows[places[:, 1]]
    return Nearness(hit=nearest == 0, distance=nearest, places=places, raised=wanted)
