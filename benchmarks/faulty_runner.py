"""A plain simulator that can be made faulty on purpose. It shares no code with the checker or the other runners.

Every synapse is unrolled to a dense matrix, every neuron is stepped by the spec's two lines. Layer-synchronous.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from deploy.network import Array, Conv, Delay, Dense, GridNeuron, Input, Network
from deploy.traces.layers import LayerRecord
from deploy.traces.prediction import predict
from deploy.traces.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What this runner gets wrong; the defaults are right. `reads` and `frames`: what it makes of those it is given."""

    at_equal: bool = False
    soft: bool = False
    reset_late: bool = False
    keeps_state: bool = False
    floors: bool = False
    leaks_last: bool = False
    clears_current: bool = False
    pause: int = 0
    bias_skew: bool = False
    reads: Callable[[Network], Network] | None = None
    frames: Callable[[Array], Array] | None = None


def run(network: Network, frames: Array, faults: Faults) -> Trace:
    """Run (R, T, ...) frames, one recording and step after the other; the trace holds u and v of all recordings."""
    network = network if faults.reads is None else faults.reads(network)
    fed = frames if faults.frames is None else faults.frames(frames)
    synapses = {name: _matrix(network, name) for name, n in network.nodes.items() if isinstance(n, Dense | Conv)}
    kept: dict[str, dict[str, list[Array]]] = {name: {"spikes": [], "u": [], "v": []} for name in network.neurons}
    cells: dict[str, _Cells] = {}
    for recording in fed:
        if not (faults.keeps_state and cells):
            cells = {name: _Cells(name, network, faults) for name in network.neurons}
        held = {name: [] for name, node in network.nodes.items() if isinstance(node, Delay)}
        for frame in recording:
            now: dict[str, Array] = {}
            for name in network.order:
                node = network.nodes[name]
                x = sum((now[source] for source in network.sources(name)), start=np.zeros((), np.int64))
                if isinstance(node, Input):
                    now[name] = frame.astype(np.int64).ravel()
                elif name in synapses:
                    exponent = getattr(node, "weight_exp", 0)
                    total: Array = synapses[name] @ x
                    now[name] = total << exponent if exponent >= 0 else total >> -exponent
                elif isinstance(node, GridNeuron):
                    now[name] = cells[name].advance(np.asarray(x))
                    for kind, value in (("spikes", now[name] > 0), ("u", cells[name].u), ("v", cells[name].v)):
                        kept[name][kind].append(value.reshape(node.shape))
                elif isinstance(node, Delay):
                    held[name].append(x)
                    past = held[name]
                    now[name] = past[-1 - node.steps] if len(past) > node.steps else np.zeros_like(np.asarray(x))
                else:
                    now[name] = np.asarray(x)
    return _trace(network, frames, kept)


class _Cells:
    def __init__(self, name: str, network: Network, faults: Faults) -> None:
        node = network.nodes[name]
        assert isinstance(node, GridNeuron)
        flat = lambda value: np.broadcast_to(np.asarray(value, np.int64), node.shape).ravel()  # noqa: E731
        self.du, self.dv, self.bias = flat(node.du), flat(node.dv), flat(node.bias)
        self.vth = None if node.vth is None else flat(node.vth) << 6
        self.faults = faults
        self.u = np.zeros(len(self.du), np.int64)
        self.v = np.zeros_like(self.u)
        self.since = np.full_like(self.u, 99)
        if faults.bias_skew:
            for _ in range(network.depth[name]):
                self.advance(np.zeros_like(self.u))

    def _leak(self, x: Array) -> Array:
        return x >> 12 if self.faults.floors else np.sign(x) * (np.abs(x) >> 12)

    def advance(self, a: Array) -> Array:
        f = self.faults
        self.u = self._leak(self.u * (4096 - (self.du + 1))) + (a << 6)
        if f.leaks_last:
            v = self._leak((self.v + self.u + self.bias) * (4096 - self.dv))
        else:
            v = self._leak(self.v * (4096 - self.dv)) + self.u + self.bias
        v = np.clip(v, 1 - (1 << 23), (1 << 23) - 1)
        if self.vth is None:
            self.v = v
            return np.zeros_like(v)
        if f.reset_late:
            v = np.where(self.since == 1, 0, v)
        spike = v >= self.vth if f.at_equal else v > self.vth
        spike &= self.since > f.pause
        self.since = np.where(spike, 1, self.since + 1)
        if f.clears_current:
            self.u = np.where(spike, 0, self.u)
        after = v - self.vth if f.soft else v if f.reset_late else np.zeros_like(v)
        self.v = np.where(spike, after, v)
        return spike.astype(np.int64)


def _matrix(network: Network, name: str) -> Array:
    """The synapse as a matrix (outputs, inputs), tap by tap."""
    node = network.nodes[name]
    if isinstance(node, Dense):
        return node.weight.astype(np.int64)
    assert isinstance(node, Conv)
    weight = node.weight
    inputs, outputs = network.shapes[network.sources(name)[0]], network.shapes[name]
    matrix = np.zeros((*outputs, *inputs), np.int64)
    per_group, groups = weight.shape[1], node.groups
    for o, i, j in product(*map(range, outputs)):
        first = o // (outputs[0] // groups) * per_group
        for c, ki, kj in product(*map(range, weight.shape[1:])):
            row = i * node.stride[0] - node.padding[0] + ki * node.dilation[0]
            column = j * node.stride[1] - node.padding[1] + kj * node.dilation[1]
            if 0 <= row < inputs[1] and 0 <= column < inputs[2]:
                matrix[o, i, j, first + c, row, column] += weight[o, c, ki, kj]
    return matrix.reshape(int(np.prod(outputs)), -1)


def _trace(network: Network, frames: Array, kept: dict[str, dict[str, list[Array]]]) -> Trace:
    recordings, steps = frames.shape[:2]
    whole = {
        name: {kind: np.stack(rows).reshape(recordings, steps, *rows[0].shape) for kind, rows in kinds.items()}
        for name, kinds in kept.items()
    }
    layers = {
        name: LayerRecord(
            spikes=None if node.is_readout else whole[name]["spikes"],
            u=whole[name]["u"].astype(np.int32),
            v=whole[name]["v"].astype(np.int32),
        )
        for name, node in network.neurons.items()
    }
    predictions = predict(layers[network.output_layer], steps)
    return Trace(layers=layers, predictions=predictions, runner="plain", device="cpu")
