"""The float runner: any float network in float32, forward Euler as NIR's equations stand, layer-synchronous."""

import time
from math import prod

import numpy as np

from deploy.network import Array, GridNeuron, Network
from deploy.network.frames import require_frames
from deploy.passes.to_float import to_float
from deploy.runners.floating.arithmetic import FloatArithmetic
from deploy.runners.walk import Walk, offsets
from deploy.traces.layers import record_layers
from deploy.traces.prediction import predict
from deploy.traces.trace import Trace, join_traces, software_versions

VALUES_AT_ONCE = 1 << 20
"""Outputs of the largest layer held at once, few enough for a cache: recordings are run in pieces of time."""


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
    states = min(states, len(frames))
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
    arithmetic = FloatArithmetic(network, len(frames), keep)
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
