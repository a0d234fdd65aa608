"""Our Loihi simulator: any network on the grid, exact to `deploy.grid`, batched over recordings, on every core."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.errors import GridError, UnsupportedError
from deploy.network import Conv, Dense, GridNeuron, Network, Scale, Shape, SumPool
from deploy.runners._common import predict
from deploy.runners.kernels import Cells, Geometry, neurons, weighted_sums
from deploy.runners.schedule import Walk, shifts
from deploy.trace import Trace, digest, join_traces, software_versions

Array = NDArray[Any]


def run(
    network: Network, frames: Array, *, keep_states: int = 0, schedule: str = "synchronous", batch: int = 64
) -> Trace:
    """Run a network on the grid over recordings.

    Args:
        network: on the grid.
        frames: (R, T, *input_shape) counts from 0 to 255.
        keep_states: for how many of the recordings u and v are kept whole; 0 keeps no digests either.
        schedule: "synchronous" or "pipelined" (`deploy.runners.schedule`).
        batch: recordings simulated together.

    Raises:
        UnsupportedError: the network is not on the grid or has a node that the grid cannot run.
        GridError: a synaptic sum could leave 32 bits.
    """
    started = time.perf_counter()
    parts = [
        _run_batch(network, frames[i : i + batch], max(0, keep_states - i), keep_states > 0, schedule)
        for i in range(0, len(frames), batch)
    ]

    return join_traces(
        parts,
        frames=frames,
        classes=network.classes,
        binning=network.binning,
        runner="integer",
        device="cpu",
        seconds=time.perf_counter() - started,
        versions=software_versions("ckd", "numpy", "numba"),
    )


class Simulator:
    """Several recordings in the middle of a run. `advance` takes further steps and keeps the state."""

    def __init__(self, network: Network, recordings: int, *, schedule: str = "synchronous", states: bool = False):
        """With `states`, `advance` also returns u and v of every layer; those of a readout are always there."""
        if not network.on_grid:
            raise UnsupportedError(
                "the integer simulator runs networks on the grid; put this one there: ckd-deploy compile"
            )
        self._network = network
        self._kernels = _Kernels(network, recordings, states)
        self._walk = Walk(network, self._kernels, schedule)

    @property
    def overflows(self) -> dict[str, int]:
        """By layer, how often u wrapped and v saturated so far."""
        return {name: int(layer.overflow.sum()) for name, layer in self._kernels.layers.items()}

    def step(self, frame: Array) -> dict[str, Array]:
        """Take one frame (R, *input_shape); gives the spikes (R, ...) by neuron name."""
        return {name: spikes[:, 0] for name, spikes in self.advance(frame[:, None])["spikes"].items()}

    def advance(self, frames: Array) -> dict[str, dict[str, Array]]:
        """Take the steps of frames (R, T, *input_shape); gives "spikes", "u", "v": (R, T, ...) by neuron name."""
        self._walk.advance(frames, frames.shape[1])
        kept = self._kernels.take()
        return {
            kind: {
                name: _channel_first(np.concatenate(parts, axis=1), len(self._network.shapes[name]))
                for name, parts in layers.items()
            }
            for kind, layers in kept.items()
        }


@dataclass
class _Kernels:
    """The arithmetic of a walk: compiled kernels over channel-last arrays."""

    network: Network
    recordings: int
    states: bool
    layers: dict[str, "_Layer"] = field(init=False)
    synapses: dict[str, "_Synapse"] = field(init=False)
    kept: dict[str, dict[str, list[Array]]] = field(init=False)

    def __post_init__(self) -> None:
        nodes = self.network.nodes
        self.layers = {name: _Layer.of(name, self.network, self.recordings) for name in self.network.neurons}
        self.synapses = {
            name: _Synapse.of(name, self.network)
            for name in nodes
            if isinstance(nodes[name], Dense | Conv | SumPool | Scale)
        }
        self.take()

    def take(self) -> dict[str, dict[str, list[Array]]]:
        """What the layers gave since the last call."""
        kept = getattr(self, "kept", {})
        self.kept = {"spikes": {}, "u": {}, "v": {}}
        return kept

    def enter(self, frames: Array) -> Array:
        return _channel_last(_as_counts(frames), len(self.network.input_shape))

    def synapse(self, name: str, x: Array) -> Array:
        return self.synapses[name](_as_counts(x))

    def neurons(self, name: str, x: Array) -> Array:
        layer = self.layers[name]
        readout = not layer.cells.spiking
        spikes, u, v = layer(x, states=self.states or readout)
        results = {} if readout else {"spikes": spikes.view(bool)}
        if self.states:
            results |= {"u": u, "v": v}
        elif readout:
            results |= {"v": v}
        for kind, values in results.items():
            self.kept[kind].setdefault(name, []).append(values)
        return spikes

    def reset(self, name: str) -> None:
        self.layers[name].u[:] = 0
        self.layers[name].v[:] = 0

    def flatten(self, x: Array) -> Array:
        return _channel_first(x, x.ndim - 2).reshape(*x.shape[:2], -1)

    def zeros(self, shape: Shape, like: Array, steps: int) -> Array:
        return np.zeros((len(like), steps, *shape[1:], shape[0]), np.uint8)

    def add(self, values: Sequence[Array]) -> Array:
        return np.stack([value.astype(np.int32) for value in values]).sum(axis=0, dtype=np.int32)

    def cut(self, x: Array, start: int, stop: int) -> Array:
        return x[:, start:stop]

    def join(self, parts: Sequence[Array]) -> Array:
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class _Synapse:
    """A dense layer, convolution or sum pooling, prepared for the kernels."""

    weight: Array
    geometry: Geometry
    exponent: int
    out_shape: Shape

    @classmethod
    def of(cls, name: str, network: Network) -> "_Synapse":
        node = network.nodes[name]
        inputs, outputs = (network.shapes[other] for other in (network.sources(name)[0], name))
        match node:
            case Dense():
                weight, exponent = node.weight[:, :, None, None], node.weight_exp
                geometry = Geometry(1, 1, inputs[0], 1, 1, outputs[0], 1, 1, 1, 1, 0, 0, 1, 1, 1)
            case Conv():
                weight, exponent = node.weight, node.weight_exp
                geometry = _geometry(inputs, outputs, weight.shape[2:], node.stride, node.padding, node.dilation)
                geometry = geometry._replace(groups=node.groups)
            case SumPool():
                weight, exponent = np.ones((inputs[0], 1, *node.kernel), np.int32), 0
                geometry = _geometry(inputs, outputs, node.kernel, node.stride, node.padding, (1, 1))
                geometry = geometry._replace(groups=inputs[0])
            case _:
                raise UnsupportedError(f"{name}: the grid has no {type(node).__name__}; fold it before quantising")
        if not np.issubdtype(weight.dtype, np.integer):
            raise GridError(f"{name}: weights are {weight.dtype}, a network on the grid holds integers")
        return cls(_rows(weight, geometry.groups), geometry, exponent, (*outputs[1:], outputs[0]))

    def __call__(self, x: Array) -> Array:
        """Synaptic sums (R, T, H, W, C) int32 of spikes or counts x (R, T, H', W', C') uint8."""
        out = np.zeros((*x.shape[:2], int(np.prod(self.out_shape))), np.int32)
        weighted_sums(x.reshape(*x.shape[:2], -1), self.weight, self.geometry, self.exponent, out)
        return out.reshape(*x.shape[:2], *self.out_shape)


@dataclass(frozen=True)
class _Layer:
    """The neurons of one node with their state, for R recordings."""

    cells: Cells
    u: Array
    v: Array
    overflow: Array

    @classmethod
    def of(cls, name: str, network: Network, recordings: int) -> "_Layer":
        node = network.nodes[name]
        assert isinstance(node, GridNeuron)
        size = int(np.prod(node.shape))

        def flat(value: Array) -> Array:
            full = np.broadcast_to(value, node.shape)[None, None]
            return np.ascontiguousarray(_channel_last(full, len(node.shape)).reshape(-1), np.int32)

        cells = Cells(
            du=flat(node.du),
            dv=flat(node.dv),
            threshold=flat(np.zeros((), np.int32) if node.vth is None else node.vth << 6),
            bias=flat(node.bias),
            spiking=node.vth is not None,
            immediate=bool(np.all(node.du == 4095)),
        )
        u, v = (np.zeros((recordings, size), np.int32) for _ in range(2))
        return cls(cells, u, v, np.zeros((recordings, 2), np.int64))

    def __call__(self, a: Array, *, states: bool) -> tuple[Array, Array, Array]:
        """Spikes (uint8), u and v after each step, each shaped like the sums a (R, T, ...)."""
        flat = np.ascontiguousarray(a.reshape(*a.shape[:2], -1), np.int32)
        spikes = np.empty(flat.shape, np.uint8)
        u_out, v_out = np.empty((2, *(flat.shape if states else (0, 0, 0))), np.int32)
        neurons(flat, self.cells, self.u, self.v, spikes, u_out, v_out, self.overflow)
        kept = a.shape if states else u_out.shape
        return spikes.reshape(a.shape), u_out.reshape(kept), v_out.reshape(kept)


def _run_batch(network: Network, frames: Array, keep: int, states: bool, schedule: str) -> Trace:
    steps, shift = frames.shape[1], shifts(network, schedule)
    after = np.zeros((len(frames), max(shift.values()), *frames.shape[2:]), frames.dtype)
    simulator = Simulator(network, len(frames), schedule=schedule, states=states)
    result = simulator.advance(np.concatenate([frames, after], axis=1))
    spikes, u, v = result["spikes"], result["u"], result["v"]
    return Trace(
        spikes=spikes,
        u={name: state[:keep] for name, state in u.items()},
        v={name: state[:keep] if name in spikes else state for name, state in v.items()},
        u_digest={name: digest(state) for name, state in u.items()},
        v_digest={name: digest(state) for name, state in v.items()},
        predictions=predict(network, spikes, v, shift, steps),
        shifts=shift,
        schedule=schedule,
        overflows=simulator.overflows,
    )


def _geometry(inputs: Shape, outputs: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Geometry:
    sizes = (*inputs[1:], inputs[0], *outputs[1:], outputs[0], *kernel, *stride, *padding, *dilation, 1)
    return Geometry._make(sizes)


def _rows(weight: Array, groups: int) -> Array:
    """(out, in / groups, kh, kw) to (in, kh, kw, out / groups): what one input spike adds, innermost."""
    out, per_group, *kernel = weight.shape
    split = weight.reshape(groups, out // groups, per_group, *kernel)
    return np.ascontiguousarray(split.transpose(0, 2, 3, 4, 1).reshape(groups * per_group, *kernel, -1), np.int32)


def _channel_last(x: Array, rank: int) -> Array:
    """(R, T, C, ...) to (R, T, ..., C), contiguous."""
    return np.ascontiguousarray(np.moveaxis(x, 2, -1)) if rank > 1 else np.ascontiguousarray(x)


def _channel_first(x: Array, rank: int) -> Array:
    return np.ascontiguousarray(np.moveaxis(x, -1, 2)) if rank > 1 else x


def _as_counts(x: Array) -> Array:
    if x.dtype != np.uint8 and (x.min(initial=0) < 0 or x.max(initial=0) > 255):
        raise GridError(f"a synapse takes counts from 0 to 255, these reach from {x.min()} to {x.max()}")
    return np.ascontiguousarray(x, np.uint8)
