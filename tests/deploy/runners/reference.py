"""A network on the grid stepped by `deploy.grid` in int64, slow and obvious: what the integer simulator must equal."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy import grid
from deploy.network import Conv, Delay, Dense, Flatten, GridNeuron, Input, Network, Node, SumPool

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
        u, v = (self.zero[name] if fresh else state[name][-1] for state in (self.u, self.v))
        exact_u = grid.unwrapped_current(u, a, node.du)
        u = grid.wrap24(exact_u)
        exact_v = grid.unsaturated_voltage(v, u, node.bias, node.dv)
        v = grid.saturate(exact_v)
        self.overflows[name] += int((exact_u != u).sum() + (exact_v != v).sum())
        spikes = np.zeros(v.shape, bool) if node.vth is None else v > (node.vth.astype(np.int64) << grid.STATE_BITS)
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


def apply(node: Node, x: Array) -> Array:
    """What a node without state makes of x (R, ...)."""
    match node:
        case Dense():
            return grid.shift_weighted_sum(x @ node.weight.astype(np.int64).T, node.weight_exp)
        case Conv():
            return grid.shift_weighted_sum(correlate(x, node), node.weight_exp)
        case SumPool():
            channels = x.shape[1]
            ones = np.ones((channels, 1, *node.kernel), np.int64)
            return correlate(x, Conv(weight=ones, stride=node.stride, padding=node.padding, groups=channels))
        case Flatten():
            return x.reshape(len(x), -1)
        case _:
            return x


def correlate(x: Array, node: Conv) -> Array:
    """Cross-correlation of x (R, C, H, W), one place of the output at a time."""
    outputs, per_group, *kernel = node.weight.shape
    groups = node.groups
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, node.dilation, strict=True)]
    (top, left), (down, right), (dh, dw) = node.padding, node.stride, node.dilation
    padded = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
    height = (padded.shape[2] - spans[0]) // down + 1
    width = (padded.shape[3] - spans[1]) // right + 1
    out = np.zeros((len(x), outputs, height, width), np.int64)
    weight = node.weight.astype(np.int64).reshape(groups, outputs // groups, per_group, *kernel)
    for i in range(height):
        for j in range(width):
            rows, columns = slice(i * down, i * down + spans[0], dh), slice(j * right, j * right + spans[1], dw)
            seen = padded[:, :, rows, columns].reshape(len(x), groups, per_group, *kernel)
            out[:, :, i, j] = np.einsum("rgcij,gocij->rgo", seen, weight).reshape(len(x), outputs)
    return out
