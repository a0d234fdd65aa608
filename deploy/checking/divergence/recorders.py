"""How a recorder may have mixed up what it wrote: states of another step, neurons in another order, another layer."""

from dataclasses import replace

import numpy as np

from deploy.checking.divergence.orders import permutation
from deploy.checking.divergence.replay import Replay, later, replay
from deploy.checking.divergence.setup import Setup
from deploy.errors import DeployError
from deploy.network import Array, GridNeuron
from deploy.traces.trace import Trace


def late_states(setup: Setup, trace: Trace, layer: str) -> tuple[str, int] | None:
    """Which states of a layer that spikes as it should are of another step, and by how many; None: they are not."""
    record = trace.layers[layer]
    kinds = [kind for kind in ("u", "v") if record.held(kind)]
    if not kinds or not isinstance(setup.network.nodes[layer], GridNeuron):
        return None
    try:
        due = replay(setup, along=trace, only=frozenset([layer]))
    except DeployError:
        return None
    window = slice(record.offset, record.offset + trace.steps)
    if not np.array_equal(due.spikes[layer][:, window], trace.output(layer)):
        return None
    for by in (1, -1):
        pairs = [(trace.aligned(kind, layer), getattr(due, kind)[layer][:, window]) for kind in kinds]
        moved = [np.array_equal(later(b[: len(a)], by), a) and not np.array_equal(b[: len(a)], a) for a, b in pairs]
        if all(moved):
            return " and ".join(kinds), by
    return None


def copied_from(trace: Trace, layer: str) -> str | None:
    """The layer whose record stands under this one's name as well."""
    here = trace.layers[layer]
    for name, other in trace.layers.items():
        if (
            name != layer
            and other.shape == here.shape
            and all(
                other.held(kind) == here.held(kind)
                and (not here.held(kind) or np.array_equal(trace.aligned(kind, name), trace.aligned(kind, layer)))
                for kind in ("spikes", "u", "v")
            )
        ):
            return name
    return None


def order_written(setup: Setup, trace: Trace, layer: str) -> Array | None:
    """In which order neurons are written, by their spikes and states together; None where that explains nothing."""
    due, written, record = replayed(setup, trace, layer), [], trace.layers[layer]
    made = []
    for kind in ("spikes", "u", "v"):
        if record.held(kind):
            rows = trace.aligned(kind, layer)
            window = slice(record.offset, record.offset + trace.steps)
            made.append(getattr(due, kind)[layer][: len(rows), window].reshape(-1, *record.shape[2:]).astype(np.int64))
            written.append(rows.reshape(-1, *record.shape[2:]).astype(np.int64))
    one, other = (np.concatenate(parts) for parts in (made, written))
    return permutation(one.reshape(len(one), -1), other.reshape(len(other), -1), 1)


def replayed(setup: Setup, trace: Trace, layer: str) -> Replay:
    """The layer by its own rule, along what was recorded of the others."""
    layers = {name: record for name, record in trace.layers.items() if name != layer}
    return replay(setup, along=replace(trace, layers=layers), only=frozenset([layer]))
