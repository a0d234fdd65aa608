"""A network on the grid stepped in int64, slow and obvious: what the integer simulator must equal."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.network import Delay, GridNeuron, Input, Network
from tests.deploy.oracles import apply, current, saturated, voltage, wrapped

Array = NDArray[Any]


class Reference:
    """Recordings in the middle of a run; `spikes`, `u` and `v` hold (R, ...) for each step, by layer."""

    def __init__(self, network: Network, recordings: int, schedule: str = "synchronous") -> None:
        self.network, self.pipelined = network, schedule == "pipelined"
        self.spikes: dict[str, list[Array]] = {name: [] for name in network.neurons}
        self.u: dict[str, list[Array]] = {name: [] for name in network.neurons}
        self.v: dict[str, list[Array]] = {name: [] for name in network.neurons}
        self.overflows = dict.fromkeys(network.neurons, 0)
        self.step = 0
        self.zero = {name: np.zeros((recordings, *shape), np.int64) for name, shape in network.shapes.items()}
        self.before = self.zero
        self.held = {
            name: [self.zero[name]] * node.steps for name, node in network.nodes.items() if isinstance(node, Delay)
        }

    def take(self, frame: Array) -> None:
        now: dict[str, Array] = {}
        waiting = list(self.network.nodes)
        while waiting:
            name = waiting.pop(0)
            node, sources = self.network.nodes[name], self.network.sources(name)
            late = {source: self.is_late(source, name) for source in sources}
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
        self.step += 1

    def is_late(self, source: str, target: str) -> bool:
        """Whether the edge carries the step before: on a pipeline all spikes travel a step, else those going back."""
        if self.pipelined:
            return isinstance(self.network.nodes[source], Input | GridNeuron)
        return (source, target) in self.network.recurrent_edges

    def neurons(self, name: str, node: GridNeuron, a: Array) -> Array:
        fresh = self.step == 0 or (self.pipelined and self.step == self.network.depth[name])
        if fresh:
            self.overflows[name] = 0
        u, v = (self.zero[name] if fresh else state[name][-1] for state in (self.u, self.v))
        exact_u = current(u, a, node.du)
        u = wrapped(exact_u)
        exact_v = voltage(v, u, node.bias, node.dv)
        v = saturated(exact_v)
        self.overflows[name] += int((exact_u != u).sum() + (exact_v != v).sum())
        spikes = np.zeros(v.shape, bool) if node.vth is None else v > (node.vth.astype(np.int64) << 6)
        self.spikes[name].append(spikes)
        self.u[name].append(u)
        self.v[name].append(np.where(spikes, 0, v))
        if self.pipelined and self.step < self.network.depth[name]:
            return np.zeros_like(spikes, np.int64)  # its first input is not there yet
        return spikes.astype(np.int64)


def simulate(network: Network, frames: Array, schedule: str = "synchronous") -> Reference:
    """Run frames (R, T, *input_shape)."""
    reference = Reference(network, len(frames), schedule)
    for frame in np.moveaxis(frames, 1, 0):
        reference.take(frame)
    return reference
