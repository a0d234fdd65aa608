"""A network on the grid stepped in int64, slow and obvious: what the integer simulator must equal."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.network import Delay, GridNeuron, Input, Network
from tests.deploy.oracles import apply, current, saturated, voltage, wrapped

Array = NDArray[Any]
Edge = tuple[str, str]


class Reference:
    """Recordings in the middle of a run; `spikes`, `u` and `v` hold (R, ...) for each step, by layer."""

    def __init__(self, network: Network, recordings: int, late: Collection[Edge] | None = None) -> None:
        """`late`: the edges that carry the step before, from whoever laid them; default: what the network says."""
        self.network = network
        self.late = network.recurrent_edges if late is None else late
        self.spikes: dict[str, list[Array]] = {name: [] for name in network.neurons}
        self.u: dict[str, list[Array]] = {name: [] for name in network.neurons}
        self.v: dict[str, list[Array]] = {name: [] for name in network.neurons}
        self.overflows = dict.fromkeys(network.neurons, 0)
        self.zero = {name: np.zeros((recordings, *shape), np.int64) for name, shape in network.shapes.items()}
        self.before = self.zero
        self.held = {
            name: [self.zero[name]] * node.steps for name, node in network.nodes.items() if isinstance(node, Delay)
        }

    def take(self, frame: Array) -> None:
        now: dict[str, Array] = {}
        waiting, passes = list(self.network.nodes), len(self.network.nodes) ** 2
        while waiting:
            name = waiting.pop(0)
            assert (passes := passes - 1) >= 0, f"{waiting} wait for each other: {self.late} are not all late edges"
            node, sources = self.network.nodes[name], self.network.sources(name)
            late = {source: (source, name) in self.late for source in sources}
            if any(not late[source] and source not in now for source in sources):
                waiting.append(name)
                continue
            arriving: Any = sum((self.before if late[s] else now)[s] for s in sources)
            if isinstance(node, Input):
                now[name] = frame.astype(np.int64)
            elif isinstance(node, GridNeuron):
                now[name] = self.neurons(name, node, arriving)
            elif isinstance(node, Delay):
                self.held[name].append(arriving)
                now[name] = self.held[name].pop(0)
            else:
                now[name] = apply(node, arriving)
        self.before = now

    def neurons(self, name: str, node: GridNeuron, a: Array) -> Array:
        u, v = (state[name][-1] if state[name] else self.zero[name] for state in (self.u, self.v))
        exact_u = current(u, a, node.du)
        u = wrapped(exact_u)
        exact_v = voltage(v, u, node.bias, node.dv)
        limit = None if node.vth is None else node.vth.astype(np.int64) << 6
        if limit is not None and node.reset_delay:
            exact_v = after_reset(node.reset_mechanism, exact_v, v > limit, limit)
        v = saturated(exact_v)
        self.overflows[name] += int((exact_u != u).sum() + (exact_v != v).sum())
        spikes = np.zeros(v.shape, bool) if limit is None else v > limit
        if limit is not None and not node.reset_delay:
            v = after_reset(node.reset_mechanism, v, spikes, limit)
        self.spikes[name].append(spikes)
        self.u[name].append(u)
        self.v[name].append(v)
        return spikes.astype(np.int64)


def after_reset(mechanism: str, v: Array, spiked: Array, limit: Array) -> Array:
    """v after the spikes that are to reset it."""
    return {"zero": np.where(spiked, 0, v), "subtract": v - spiked * limit, "none": v}[mechanism]


def simulate(network: Network, frames: Array, late: Collection[Edge] | None = None) -> Reference:
    """Run frames (R, T, *input_shape)."""
    reference = Reference(network, len(frames), late)
    for frame in np.moveaxis(frames, 1, 0):
        reference.take(frame)
    return reference
