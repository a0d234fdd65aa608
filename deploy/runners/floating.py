"""The float runner: any float network in float32, forward Euler as NIR's equations stand, layer-synchronous."""

import time
from dataclasses import dataclass, field
from math import prod

import numba
import numpy as np
from numpy.typing import NDArray

from deploy.network import Array, FloatNeuron, GridNeuron, Network
from deploy.network.frames import require_frames
from deploy.network.ops import apply
from deploy.network.state import State
from deploy.passes.to_float import to_float
from deploy.runners.walk import ArrayArithmetic, Walk, offsets
from deploy.traces.layers import record_layers
from deploy.traces.prediction import predict
from deploy.traces.trace import Trace, join_traces, software_versions

VALUES_AT_ONCE = 1 << 25
"""Outputs of the largest layer held at once; longer recordings are run in several pieces of time."""

KEPT = ("spikes", "u", "v")
Float = NDArray[np.float32]


def run(network: Network, frames: Array, *, states: int = 0, digests: bool = False, batch: int = 64) -> Trace:
    """Run a float network over recordings; one on the grid is run as the floats that its file holds (`to_float`).

    Args:
        network: any network.
        frames: (R, T, *input_shape).
        states: for how many of the recordings u and v of every layer are kept; v of a readout is kept for all.
        digests: floats have none.
        batch: recordings run together.

    Returns:
        the trace; all offsets are 0. u is the current (after its own decay), v the potential after the reset.

    Raises:
        FramesError: frames of another shape. ModelError: nodes that do not fit together.
    """
    del digests
    started = time.perf_counter()
    require_frames(frames, network.input_shape, counts=False)
    if any(isinstance(node, GridNeuron) for node in network.neurons.values()):
        network = to_float(network)
    parts = [
        _run_batch(network, frames[i : i + batch], min(max(0, states - i), batch)) for i in range(0, len(frames), batch)
    ]
    return join_traces(
        parts,
        frames=frames,
        classes=network.classes,
        binning=network.binning,
        runner="float",
        device="cpu",
        seconds=time.perf_counter() - started,
        versions=software_versions("numpy", "numba"),
    )


def _run_batch(network: Network, frames: Array, keep: int) -> Trace:
    arithmetic = _Float32(network, len(frames), keep)
    walk = Walk(network, arithmetic)
    largest = max(prod(shape) for shape in network.shapes.values()) * len(frames)
    steps = max(1, VALUES_AT_ONCE // largest)
    for start in range(0, frames.shape[1], steps):
        piece = frames[:, start : start + steps]
        walk.advance(piece, piece.shape[1])
    kept = {
        kind: {name: np.concatenate(pieces, axis=1) for name, pieces in layers.items()}
        for kind, layers in arithmetic.kept.items()
    }
    layers = record_layers(offsets(network, "synchronous"), kept)
    return Trace(layers=layers, predictions=predict(layers[network.output_layer], frames.shape[1]))


@dataclass
class _Float32(ArrayArithmetic):
    """The arithmetic of a walk over arrays (R, T, ...)."""

    network: Network
    recordings: int
    keep: int
    layers: dict[str, "_Layer | _Stepped"] = field(init=False)
    kept: dict[str, dict[str, list[Array]]] = field(init=False)

    def __post_init__(self) -> None:
        self.layers = {
            name: (_Layer if type(node) is FloatNeuron else _Stepped).of(node, self.recordings)
            for name, node in self.network.neurons.items()
            if isinstance(node, FloatNeuron)
        }
        self.kept = {kind: {} for kind in KEPT}

    def enter(self, frames: Array) -> Array:
        return frames.astype(np.float32)

    def synapse(self, name: str, x: Array) -> Array:
        out = apply(self.network.nodes[name], x.reshape(-1, *x.shape[2:]))  # pyright: ignore[reportArgumentType]
        return out.reshape(*x.shape[:2], *out.shape[1:])

    def neurons(self, name: str, x: Array) -> Array:
        layer = self.layers[name]
        out, u, v = layer(x, self.keep)
        if layer.spiking:
            self._keep("spikes", name, out.astype(bool))
        if self.keep:
            self._keep("u", name, u)
        if self.keep or not layer.spiking:
            self._keep("v", name, v if layer.spiking else out)
        return out

    def _keep(self, kind: str, name: str, values: Array) -> None:
        self.kept[kind].setdefault(name, []).append(values)

    def reset(self, name: str) -> None:
        self.layers[name].reset()


@dataclass(frozen=True)
class _Layer:
    """The neurons of one node with their state, for R recordings; parameters are (n,) float32."""

    parameters: tuple[Float, ...]
    spiking: bool
    decays_current: bool
    resets: tuple[bool, bool, bool]
    """Whether spikes reset v at all, softly, and in the step after."""
    u: Float
    v: Float

    @classmethod
    def of(cls, node: FloatNeuron, recordings: int) -> "_Layer":
        absent = np.zeros((), np.float32)
        values = (node.keep, node.gain, node.bias, node.threshold, node.reset, node.current_keep, node.input_gain)
        size = prod(node.shape)
        parameters = tuple(
            np.ascontiguousarray(np.broadcast_to(absent if value is None else value, node.shape), np.float32).ravel()
            for value in values
        )
        u, v = (np.zeros((recordings, size), np.float32) for _ in range(2))
        resets = (node.reset_mechanism != "none", node.reset_mechanism == "subtract", node.reset_delay)
        return cls(parameters, not node.is_readout, node.has_current, resets, u, v)

    def reset(self) -> None:
        self.u[:] = 0
        self.v[:] = 0

    def __call__(self, x: Array, keep: int) -> tuple[Array, Array, Array]:
        """Spikes as 0 and 1 (of a readout: potentials) of x (R, T, ...), and u and v of the first `keep` recordings."""
        flat = np.ascontiguousarray(x, np.float32).reshape(*x.shape[:2], -1)
        out = np.empty_like(flat)
        u_out, v_out = np.empty((2, keep, *flat.shape[1:]), np.float32)
        kind = (self.spiking, self.decays_current, *self.resets)
        _euler(flat, self.parameters, kind, self.u, self.v, out, u_out, v_out)
        kept = (keep, *x.shape[1:])
        return out.reshape(x.shape), u_out.reshape(kept), v_out.reshape(kept)


@dataclass
class _Stepped:
    """The same for neurons of a kind that `_euler` does not know: their own steps, in numpy."""

    node: FloatNeuron
    recordings: int
    spiking: bool
    state: State

    @classmethod
    def of(cls, node: FloatNeuron, recordings: int) -> "_Stepped":
        return cls(node, recordings, not node.is_readout, node.rest(recordings))

    def reset(self) -> None:
        self.state = self.node.rest(self.recordings)

    def __call__(self, x: Array, keep: int) -> tuple[Array, Array, Array]:
        steps, given = self.node.run(self.state, x)
        self.state = steps[-1].state
        out = given["spikes"].astype(np.float32) if self.spiking else given["v"]
        return out, given["u"][:keep], given["v"][:keep]


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _euler(
    x: Float,
    parameters: tuple[Float, ...],
    kind: tuple[bool, bool, bool, bool, bool],
    u: Float,
    v: Float,
    out: Float,
    u_out: Float,
    v_out: Float,
) -> None:
    """The equations of `FloatNeuron`; multiplication and addition are not fused, so PyTorch gives the same bits."""
    keep, gain, bias, threshold, reset, current_keep, current_gain = parameters
    spiking, decays_current, resets, softly, late = kind
    recordings, steps, size = x.shape
    for r in range(recordings):
        for t in range(steps):
            for i in range(size):
                current = x[r, t, i]
                if decays_current:
                    current = current_keep[i] * u[r, i] + current_gain[i] * current
                potential = keep[i] * v[r, i] + gain[i] * current + bias[i]
                if resets and late and spiking and v[r, i] > threshold[i]:
                    potential = potential - reset[i] if softly else reset[i]
                spike = spiking and potential > threshold[i]
                out[r, t, i] = (np.float32(1) if spike else np.float32(0)) if spiking else potential
                u[r, i] = current
                v[r, i] = potential
                if spike and resets and not late:
                    v[r, i] = potential - reset[i] if softly else reset[i]
            if r < len(u_out):
                u_out[r, t] = u[r]
                v_out[r, t] = v[r]
