"""Our Loihi simulator: any network on the grid, exact to `deploy.grid`, batched over recordings.

Two schedules. Layer-synchronous, as the student is trained: a spike reaches the next layer in the same step. Pipelined,
as the chip runs: every spike travels one step, so a layer of depth k works on input step t - k, and its state is
zeroed when its first input arrives (Lava's LIFReset with one reset_offset a layer).
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.errors import GridError, UnsupportedError
from deploy.network import Conv, Delay, Dense, Flatten, GridNeuron, Input, Network, Node, Output, Scale, Shape, SumPool
from deploy.runners._common import output_layer, predict
from deploy.runners.kernels import Cells, Geometry, neurons, weighted_sums
from deploy.trace import Trace, digest, software_versions

Array = NDArray[Any]
SCHEDULES = ("synchronous", "pipelined")


def run(
    network: Network, frames: Array, *, keep_states: int = 0, schedule: str = "synchronous", batch: int = 64
) -> Trace:
    """Run a network on the grid over recordings.

    Args:
        network: on the grid.
        frames: (R, T, *input_shape) counts from 0 to 255.
        keep_states: for how many of the recordings u and v are kept whole; 0 keeps no digests either.
        schedule: "synchronous" or "pipelined".
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

    def joined(kind: str) -> dict[str, Array]:
        names = getattr(parts[0], kind)
        return {name: np.concatenate([getattr(part, kind)[name] for part in parts]) for name in names}

    overflows = {name: sum(part.overflows[name] for part in parts) for name in network.neurons}
    return Trace(
        **{kind: joined(kind) for kind in ("spikes", "u", "v", "u_digest", "v_digest")},
        predictions=np.concatenate([part.predictions for part in parts]),
        frames=frames,
        classes=network.classes,
        shifts=dict.fromkeys(network.neurons, 0) if schedule == "synchronous" else _shifts(network),
        overflows=overflows,
        schedule=schedule,
        binning=network.binning,
        runner="integer",
        device="cpu",
        seconds=time.perf_counter() - started,
        versions=software_versions("ckd", "numpy", "numba"),
    )


class Simulator:
    """A network in the middle of a run: `advance` takes further steps and keeps the state, as a live camera needs."""

    def __init__(self, network: Network, recordings: int, *, schedule: str = "synchronous", states: bool = False):
        """Prepare `recordings` parallel runs; with `states`, `advance` also returns u and v of every step."""
        if schedule not in SCHEDULES:
            raise UnsupportedError(f"schedule {schedule!r} is not known; use one of {SCHEDULES}")
        if not network.on_grid:
            raise UnsupportedError("the integer simulator runs networks on the grid; use `ckd-deploy compile` first")
        self.network = network
        self._pipelined = schedule == "pipelined"
        self._states = states
        self._recordings = recordings
        self._step = 0
        self._synapses = {n: Synapse.of(n, network) for n in network.order if _is_synapse(network.nodes[n])}
        self._layers = {name: Layer.of(name, network, recordings) for name in network.neurons}
        self._late = self._late_edges()
        self._previous: dict[str, Array] = {}
        self._delayed: dict[str, Array] = {}

    @property
    def overflows(self) -> dict[str, int]:
        """By layer, how often u wrapped and v saturated so far."""
        return {name: int(layer.overflow.sum()) for name, layer in self._layers.items()}

    def advance(self, frames: Array) -> dict[str, dict[str, Array]]:
        """Take the steps of frames (R, T, *input_shape).

        Returns:
            "spikes", "v" and "u", each by neuron name: (R, T, ...). v of a readout is always there, the other states
            only if asked for.
        """
        chunk = 1 if self._late else frames.shape[1]
        parts = [self._chunk(frames[:, t : t + chunk]) for t in range(0, frames.shape[1], max(chunk, 1))]
        return {
            kind: {name: np.concatenate([part[kind][name] for part in parts], axis=1) for name in parts[0][kind]}
            for kind in parts[0]
        }

    def _late_edges(self) -> frozenset[tuple[str, str]]:
        """The edges that carry the step before: recurrent ones, and on a pipeline all that leave an input or neuron."""
        if not self._pipelined:
            return self.network.recurrent_edges
        kinds = (Input, GridNeuron)
        return frozenset(edge for edge in self.network.edges if isinstance(self.network.nodes[edge[0]], kinds))

    def _chunk(self, frames: Array) -> dict[str, dict[str, Array]]:
        shapes = self.network.shapes
        values: dict[str, Array] = {}
        result: dict[str, dict[str, Array]] = {"spikes": {}, "u": {}, "v": {}}
        for name in self.network.order:
            node = self.network.nodes[name]
            if isinstance(node, Input):
                values[name] = _channel_last(np.ascontiguousarray(frames, np.uint8), len(node.shape))
                continue
            arriving = [self._arriving(source, name, values, frames.shape[:2]) for source in self.network.sources(name)]
            if name in self._synapses:
                values[name] = self._synapses[name](_total(arriving))
            elif name in self._layers:
                layer = self._layers[name]
                if self._pipelined and self._step == self.network.depth[name]:
                    layer.reset()
                values[name], u, v = layer(_total(arriving), states=self._states or node.vth is None)  # pyright: ignore
                rank = len(shapes[name])
                result["spikes"][name] = _channel_first(values[name], rank).astype(bool)
                if self._states:
                    result["u"][name] = _channel_first(u, rank)
                if self._states or not layer.cells.spiking:
                    result["v"][name] = _channel_first(v, rank)
            else:
                values[name] = self._stateless(name, node, _total(arriving))
        self._previous = {name: values[name][:, -1:] for name, _ in self._late}
        self._step += frames.shape[1]
        return result

    def _arriving(self, source: str, target: str, values: dict[str, Array], batch: Shape) -> Array:
        if (source, target) not in self._late:
            return values[source]
        if source in self._previous:
            return self._previous[source]
        shape = self.network.shapes[source]
        return np.zeros((*batch, *shape[1:], shape[0]), np.int32 if source in self._synapses else np.uint8)

    def _stateless(self, name: str, node: Node, x: Array) -> Array:
        match node:
            case Output():
                return x
            case Flatten():
                return _channel_first(x, x.ndim - 2).reshape(*x.shape[:2], -1)
            case Delay():
                held = self._delayed.get(name, np.zeros((len(x), node.steps, *x.shape[2:]), x.dtype))
                both = np.concatenate([held, x], axis=1)
                self._delayed[name] = both[:, x.shape[1] :]
                return both[:, : x.shape[1]]
            case _:
                raise UnsupportedError(f"{name}: a {type(node).__name__} cannot run on the grid; fold it first")


@dataclass(frozen=True)
class Synapse:
    """A dense layer, convolution or sum pooling, prepared for the kernels."""

    weight: Array
    geometry: Geometry
    exponent: int
    out_shape: Shape

    @classmethod
    def of(cls, name: str, network: Network) -> "Synapse":
        """Prepare node `name`; raises GridError unless its sums provably stay exact."""
        node = network.nodes[name]
        inputs, outputs = (network.shapes[other] for other in (network.sources(name)[0], name))
        match node:
            case Dense():
                weight, exponent = node.weight[:, :, None, None], node.weight_exp
                geometry = Geometry(1, 1, inputs[0], 1, 1, outputs[0], 1, 1, 1, 1, 0, 0, 1, 1, 1)
            case Conv():
                weight, exponent = node.weight, node.weight_exp
                geometry = _geometry(inputs, outputs, node.weight.shape[2:], node.stride, node.padding, node.dilation)
                geometry = geometry._replace(groups=node.groups)
            case SumPool():
                weight, exponent = np.ones((inputs[0], 1, *node.kernel), np.int64), 0
                geometry = _geometry(inputs, outputs, node.kernel, node.stride, node.padding, (1, 1))
                geometry = geometry._replace(groups=inputs[0])
            case _:
                raise UnsupportedError(f"{name}: {type(node).__name__} is no synapse")
        if not np.issubdtype(weight.dtype, np.integer):
            raise GridError(f"{name}: weights are {weight.dtype}, a network on the grid holds integers")
        return cls(_rows(weight, geometry.groups), geometry, exponent, _last(outputs))

    def __call__(self, x: Array) -> Array:
        """Synaptic sums (R, T, H, W, C) int32 of spikes or counts x (R, T, H', W', C') uint8."""
        if x.dtype != np.uint8:
            x = _as_counts(x)
        out = np.zeros((*x.shape[:2], int(np.prod(self.out_shape))), np.int32)
        weighted_sums(x.reshape(*x.shape[:2], -1), self.weight, self.geometry, self.exponent, out)
        return out.reshape(*x.shape[:2], *self.out_shape)


@dataclass(frozen=True)
class Layer:
    """The neurons of one node with their state, for R recordings."""

    cells: Cells
    u: Array
    v: Array
    overflow: Array

    @classmethod
    def of(cls, name: str, network: Network, recordings: int) -> "Layer":
        node = network.nodes[name]
        assert isinstance(node, GridNeuron)
        size = int(np.prod(node.shape))

        def flat(value: Array) -> Array:
            full = _channel_last(np.broadcast_to(value, node.shape)[None, None], len(node.shape))
            return np.ascontiguousarray(full.reshape(-1), np.int32)

        vth = np.zeros((), np.int64) if node.vth is None else node.vth
        cells = Cells(
            du=flat(node.du),
            dv=flat(node.dv),
            threshold=flat(vth << 6),
            bias=flat(node.bias),
            spiking=node.vth is not None,
            immediate=bool(np.all(node.du == 4095)),
        )
        u, v = (np.zeros((recordings, size), np.int32) for _ in range(2))
        return cls(cells, u, v, np.zeros((recordings, 2), np.int64))

    def reset(self) -> None:
        self.u[:] = 0
        self.v[:] = 0

    def __call__(self, a: Array, *, states: bool) -> tuple[Array, Array, Array]:
        """Spikes, u and v after each step, each shaped like the sums a (R, T, ...)."""
        flat = np.ascontiguousarray(a.reshape(*a.shape[:2], -1), np.int32)
        spikes = np.empty(flat.shape, np.uint8)
        u_out, v_out = (np.empty(flat.shape if states else (0, 0, 0), np.int32) for _ in range(2))
        neurons(flat, self.cells, self.u, self.v, spikes, u_out, v_out, self.overflow)
        shape = a.shape
        return spikes.reshape(shape), *(x.reshape(shape) if states else x for x in (u_out, v_out))


def _run_batch(network: Network, frames: Array, keep: int, digests: bool, schedule: str) -> Trace:
    steps = frames.shape[1]
    shifts = dict.fromkeys(network.neurons, 0) if schedule == "synchronous" else _shifts(network)
    extra = np.zeros((len(frames), max(shifts.values()), *frames.shape[2:]), frames.dtype)
    simulator = Simulator(network, len(frames), schedule=schedule, states=digests)
    result = simulator.advance(np.concatenate([frames, extra], axis=1))
    output = output_layer(network)
    last = {output: result["v"][output][:, shifts[output] + steps - 1]} if output in result["v"] else {}
    aligned = {output: result["spikes"][output][:, shifts[output] :][:, :steps]}
    return Trace(
        spikes=result["spikes"],
        u={name: u[:keep] for name, u in result["u"].items()} if digests else {},
        v={name: v[:keep] for name, v in result["v"].items()} if digests else {},
        u_digest={name: digest(u) for name, u in result["u"].items()},
        v_digest={name: digest(v) for name, v in result["v"].items()} if digests else {},
        predictions=predict(network, aligned, last),
        overflows=simulator.overflows,
    )


def _shifts(network: Network) -> dict[str, int]:
    return {name: network.depth[name] for name in network.neurons}


def _is_synapse(node: Node) -> bool:
    return isinstance(node, Dense | Conv | SumPool)


def _geometry(inputs: Shape, outputs: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Geometry:
    return Geometry(*inputs[1:], inputs[0], *outputs[1:], outputs[0], *kernel, *stride, *padding, *dilation, 1)


def _rows(weight: Array, groups: int) -> Array:
    """(out, in / groups, kh, kw) to (in, kh, kw, out / groups): what one input spike adds, innermost."""
    out, per_group, *kernel = weight.shape
    split = weight.reshape(groups, out // groups, per_group, *kernel)
    return np.ascontiguousarray(split.transpose(0, 2, 3, 4, 1).reshape(groups * per_group, *kernel, -1), np.int32)


def _last(shape: Shape) -> Shape:
    return (*shape[1:], shape[0])


def _channel_last(x: Array, rank: int) -> Array:
    """(R, T, C, ...) to (R, T, ..., C), contiguous."""
    return np.ascontiguousarray(np.moveaxis(x, 2, -1)) if rank > 1 else x


def _channel_first(x: Array, rank: int) -> Array:
    return np.ascontiguousarray(np.moveaxis(x, -1, 2)) if rank > 1 else x


def _total(arriving: Iterable[Array]) -> Array:
    first, *others = arriving
    return sum((other.astype(np.int32) for other in others), first.astype(np.int32)) if others else first


def _as_counts(x: Array) -> Array:
    if x.min(initial=0) < 0 or x.max(initial=0) > 255:
        raise GridError(f"a synapse takes counts from 0 to 255, these reach from {x.min()} to {x.max()}")
    return x.astype(np.uint8)
