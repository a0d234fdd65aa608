"""Run a network on the grid: whole recordings at once, or step by step with the state kept."""

import time
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from deploy.errors import FramesError, UnsupportedError
from deploy.network import Array, Network
from deploy.network.frames import require_frames
from deploy.runners.integer.arithmetic import IntegerArithmetic, Values
from deploy.runners.integer.prepared import Prepared
from deploy.runners.walk import Walk, offsets
from deploy.traces.layers import record_layers
from deploy.traces.prediction import predict
from deploy.traces.trace import Trace, join_traces, software_versions

BATCH_BYTES = 1 << 30
"""What the spikes of the recordings simulated together may take, and u and v where all of them are kept."""


def run(
    network: Network,
    frames: Array,
    *,
    states: int = 0,
    digests: bool = False,
    schedule: str = "synchronous",
    batch: int = 64,
) -> Trace:
    """Run a network on the grid over recordings.

    Args:
        network: on the grid.
        frames: (R, T, *input_shape) counts from 0 to 255.
        states: for how many of the recordings u and v are kept whole.
        digests: whether a checksum of both is kept for every step of all recordings.
        schedule: "synchronous" or "pipelined" (`deploy.runners.walk`).
        batch: recordings simulated together, fewer where they would not fit `BATCH_BYTES`.

    Raises:
        UnsupportedError: the network is not on the grid or has a node that the grid cannot run.
        FramesError: frames that the network does not take. GridError: weights are no integers.
    """
    started = time.perf_counter()
    require_frames(frames, network.input_shape)
    batch = max(1, min(batch, BATCH_BYTES // _bytes_per_recording(network, frames.shape[1], states > 0)))
    # Off the grid, the simulator says so.
    prepared = Prepared.of(network) if network.on_grid else None
    parts = [
        _run_batch(network, prepared, frames[i : i + batch], max(0, states - i), digests, schedule)
        for i in range(0, len(frames), batch)
    ]
    return joined(parts, network, started, frames=frames)


def joined(parts: Sequence[Trace], network: Network, started: float, **fields: Any) -> Trace:
    """The trace of all batches of a run that began at `started`; `fields` are those of the whole (`join_traces`)."""
    return join_traces(
        parts,
        classes=network.classes,
        binning=network.binning,
        runner="integer",
        device="cpu",
        versions=software_versions("numpy", "numba"),
        seconds=time.perf_counter() - started,
        **fields,
    )


class Simulator:
    """Several recordings in the middle of a run. `advance` takes further steps and keeps the state."""

    def __init__(
        self,
        network: Network,
        recordings: int,
        *,
        schedule: str = "synchronous",
        states: int | bool = 0,
        digests: bool = False,
        prepared: Prepared | None = None,
    ):
        """A run of so many recordings.

        Args:
            states: for how many of them, the first ones, `advance` also gives u and v of every layer; True: for all.
                v of a readout is always there.
            digests: whether it gives the checksums of both.
            prepared: of the same network; saves preparing it again.
        """
        if not network.on_grid:
            raise UnsupportedError(
                "the integer simulator runs networks on the grid; put this one there: ckd-deploy compile"
            )
        self._shape, self._recordings = network.input_shape, recordings
        held = recordings if states is True else min(int(states), recordings)
        self._arithmetic = IntegerArithmetic(network, prepared or Prepared.of(network), recordings, held, digests)
        self._walk = Walk[Values](network, self._arithmetic, schedule)

    @property
    def overflows(self) -> dict[str, int]:
        """By layer, how often u wrapped and v saturated since its first input."""
        return {name: int(layer.overflow.sum()) for name, layer in self._arithmetic.layers.items()}

    def keep(self, rows: Array) -> None:
        """Go on with these of the recordings alone; of a network whose state lies in its neurons."""
        self._recordings = len(rows)
        self._arithmetic.keep(rows)

    def step(self, frame: Array) -> dict[str, Array]:
        """Take one frame (R, *input_shape); gives the spikes (R, ...) by neuron name."""
        return {name: spikes[:, 0] for name, spikes in self.advance(frame[:, None])["spikes"].items()}

    def advance(self, frames: Array) -> dict[str, dict[str, Array]]:
        """Take the steps of frames (R, T, *input_shape); gives by kind (`deploy.traces.layers.KINDS`) and neuron name
        arrays of (R, T, ...).

        Raises:
            FramesError: frames that the network does not take, or not of the R recordings whose states are kept.
        """
        require_frames(frames, self._shape)
        if len(frames) != self._recordings:
            raise FramesError(
                f"frames of {len(frames)} recordings; this simulator keeps the state of {self._recordings}"
            )
        self._walk.advance(frames, frames.shape[1])
        return self._arithmetic.take()


def _run_batch(
    network: Network, prepared: Prepared | None, frames: Array, keep: int, digests: bool, schedule: str
) -> Trace:
    steps, offset = frames.shape[1], offsets(network, schedule)
    later = max(offset.values())
    if later:
        frames = np.concatenate([frames, np.zeros((len(frames), later, *frames.shape[2:]), frames.dtype)], axis=1)
    simulator = Simulator(network, len(frames), schedule=schedule, states=keep, digests=digests, prepared=prepared)
    kept, overflows = _advanced(simulator, frames, {name: start + steps for name, start in offset.items()})
    layers = record_layers(offset, kept, overflows)
    return Trace(layers=layers, predictions=predict(layers[network.output_layer], steps), schedule=schedule)


def _advanced(
    simulator: Simulator, frames: Array, ends: dict[str, int]
) -> tuple[dict[str, dict[str, Array]], dict[str, int]]:
    """What the layers gave in the steps of frames, and how often each had overflown at the end of its own steps."""
    parts, overflows, done = [], {}, 0
    for end in sorted(set(ends.values())):
        parts.append(simulator.advance(frames[:, done:end]))
        overflows |= {name: count for name, count in simulator.overflows.items() if ends[name] == end}
        done = end
    if len(parts) == 1:
        return parts[0], overflows
    joined = {
        kind: {name: np.concatenate([part[kind][name] for part in parts], axis=1) for name in layers}
        for kind, layers in parts[0].items()
    }
    return joined, overflows


def _bytes_per_recording(network: Network, steps: int, states: bool) -> int:
    neurons = sum(prod(node.shape) for node in network.neurons.values())
    return max(1, neurons * steps * (9 if states else 1))
