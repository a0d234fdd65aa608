"""What recorded states say of a layer: the sums that must have arrived, and how v went from step to step."""

from dataclasses import dataclass

import numpy as np

from deploy import grid
from deploy.checking.divergence.replay import Replay, later, replay
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, GridNeuron
from deploy.traces.trace import Trace


@dataclass(frozen=True)
class Seen:
    """A layer on the grid, its offset taken off: what was recorded of it, and what is due, (R, T, *shape)."""

    cell: GridNeuron
    due: Replay
    layer: str
    window: slice
    spikes: Array | None
    u: Array | None
    v: Array | None

    def of_due(self, kind: str, recordings: int | None = None) -> Array:
        """`sums`, `u`, `potential` or `spikes` that are due."""
        return getattr(self.due, kind)[self.layer][:recordings, self.window]

    def arriving(self, setup: Setup, name: str) -> Array:
        """What a synapse of the layer was fed, in the step in which it brought it."""
        x = self.due.arriving[name][:, self.window]
        return before(x) if (name, self.layer) in setup.network.recurrent_edges else x

    def full(self, name: str) -> Array:
        """A parameter for every neuron, int64."""
        return np.broadcast_to(np.asarray(getattr(self.cell, name), np.int64), self.cell.shape)


def look(setup: Setup, layer: str, trace: Trace) -> Seen | None:
    """None of a layer of floats."""
    cell, record = setup.network.nodes[layer], trace.layers[layer]
    if not isinstance(cell, GridNeuron):
        return None
    due = replay(setup, along=trace, only=frozenset([layer]))
    states = {kind: trace.aligned(kind, layer).astype(np.int64) if record.held(kind) else None for kind in ("u", "v")}
    spikes = None if record.is_readout else trace.output(layer)
    window = slice(record.offset, record.offset + trace.steps)
    return Seen(cell, due, layer, window, spikes, states["u"], states["v"])


def before(states: Array) -> Array:
    """Each step's state before it, zero at first."""
    return later(states, 1)


def transitions(seen: Seen) -> tuple[Array, Array, Array] | None:
    """The potential before, what decay left of it, and where that is known: where no spike reset v.

    u is the recorded one, or the one that is due. None where v was not recorded.
    """
    if seen.v is None:
        return None
    u = seen.of_due("u", len(seen.v)) if seen.u is None else seen.u
    count = min(len(u), len(seen.v))
    u, v = u[:count], seen.v[:count]
    known = np.ones(v.shape, bool) if seen.spikes is None else ~seen.spikes[:count]
    return before(v), v - u - seen.full("bias"), known


def recorded_sums(seen: Seen) -> tuple[Array, Array] | None:
    """The sums that must have arrived, and where they are known: from u, or from v where the current is immediate."""
    if seen.u is not None:
        came = seen.u - grid.toward_zero(before(seen.u) * (grid.DECAY_ONE - 1 - seen.full("du")), grid.DECAY_BITS)
        known = np.ones(came.shape, bool)
    elif seen.v is not None and not seen.cell.has_current:
        kept = grid.toward_zero(before(seen.v) * (grid.DECAY_ONE - seen.full("dv")), grid.DECAY_BITS)
        came = seen.v - kept - seen.full("bias")
        known = np.ones(came.shape, bool) if seen.spikes is None else ~seen.spikes[: len(came)]
    else:
        return None
    if (came[known] & ((1 << grid.STATE_BITS) - 1)).any():
        return None  # no sum is shifted so: something else is wrong
    return came >> grid.STATE_BITS, known
