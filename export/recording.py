"""Traces of the trained student in PyTorch, on whatever device it runs: what every later run is held against."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ckd.data.stored import AnyFrames, StoredFrames, largest_count
from ckd.models.student import Student
from deploy.network import Array, Network, Shape
from deploy.network.idioms import READOUT
from deploy.runners.walk import offsets
from deploy.traces.checksum import digest
from deploy.traces.layers import record_layers
from deploy.traces.prediction import predict
from deploy.traces.spool import spooled
from deploy.traces.trace import Trace, join_traces, software_versions
from export.integer import Activity, IntegerNetwork

KEEP_STATES = 8
"""Recordings whose u and v are kept whole; of all others a checksum of every step is kept."""

BATCH = 32
"""Recordings that are run together."""
STATES_BYTES = 1 << 25
"""Of u and v, that are held at a time: fewer recordings of a large network on the grid are run together."""


def record_quantized(network: Network, frames: Array, *, device: str = "cpu", states: int = KEEP_STATES) -> Trace:
    """The quantized student's spikes, currents and potentials.

    Args:
        network: on the grid.
        frames: (R, T, *input_shape) counts.
        device: where PyTorch runs it.
        states: for how many recordings u and v are kept whole; of all others a checksum of every step is kept.
    """
    return _whole(quantized_parts(network, frames, device=device, states=states), frames)


def record_float(student: Student, network: Network, frames: Array, *, device: str = "cpu") -> Trace:
    """The float student's spikes, and the readout's potential: the sum of the logits so far.

    Args:
        student: in evaluation mode.
        network: the same student as a float network, for names and schedule.
        frames: (R, T, *input_shape) counts.
        device: where PyTorch runs it.
    """
    return _whole(float_parts(student, network, frames, device=device), frames)


def spool(parts: Iterable[Trace], path: Path, frames: AnyFrames) -> Trace:
    """The whole of what `quantized_parts` or `float_parts` give, on the disk of the file that is made of it.

    Args:
        parts: of these recordings, made as they are taken.
        path: of that file.
        frames: (R, T, *input_shape) counts.

    Raises:
        DiskFullError: it does not fit.
    """
    started = time.perf_counter()
    whole = spooled(parts, path)
    kept = {"frames": frames} if isinstance(frames, np.ndarray) else {"stored_frames": FramesOnDisk(frames)}
    return replace(whole, **kept, seconds=time.perf_counter() - started)


def quantized_parts(
    network: Network, frames: Array | AnyFrames, *, device: str = "cpu", states: int = KEEP_STATES
) -> Iterator[Trace]:
    """What `record_quantized` gives, some recordings at a time."""
    module = IntegerNetwork(network, max_count=max(1, largest_count(frames))).to(device)
    states_bytes = 2 * 8 * frames.shape[1] * sum(prod(neuron.shape) for neuron in network.neurons.values())
    rows = max(1, min(BATCH, STATES_BYTES // states_bytes))
    for first in range(0, len(frames), rows):
        with torch.inference_mode():
            activity = module(torch.from_numpy(frames[first : first + rows]).to(device), states=True)
        part = _to_trace(network, activity, frames.shape[1], max(0, states - first))
        yield replace(part, **_metadata(network, device))


def float_parts(
    student: Student, network: Network, frames: Array | AnyFrames, *, device: str = "cpu"
) -> Iterator[Trace]:
    """What `record_float` gives, some recordings at a time."""
    student = student.to(device).eval()
    for first in range(0, len(frames), BATCH):
        batch = torch.from_numpy(frames[first : first + BATCH]).to(device, torch.float32).transpose(0, 1)
        spikes: dict[str, Array] = {}

        def observe(name: str, output: torch.Tensor, spikes: dict[str, Array] = spikes) -> None:
            if name in student.neurons:
                spikes[name] = output.transpose(0, 1).bool().cpu().numpy()

        with torch.inference_mode(), _whole_float32():
            logits = student(batch, observe=observe).logits
        v = {READOUT: logits.cumsum(0).transpose(0, 1).cpu().numpy()}
        layers = record_layers(offsets(network, "synchronous"), {"spikes": spikes, "v": v})
        predictions = predict(layers[READOUT], frames.shape[1])
        yield Trace(layers=layers, predictions=predictions, **_metadata(network, device))


@dataclass(frozen=True)
class FramesOnDisk:
    """Frames of a run, as `deploy.traces.layers.Stored`."""

    frames: StoredFrames

    @property
    def shape(self) -> Shape:
        return self.frames.shape

    @property
    def dtype(self) -> "np.dtype[Any]":
        return np.dtype(np.uint8)

    def read(self) -> Array:
        return self.frames[:]

    def read_bits(self) -> Array | None:
        return None

    def parts(self, rows: int) -> Iterator[Array]:
        for first in range(0, len(self.frames), rows):
            yield self.frames[first : first + rows]


@contextmanager
def _whole_float32() -> Iterator[None]:
    """Convolutions on a GPU in float32, not in TF32, whose 10 bits move potentials by more than a check allows."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _to_trace(network: Network, activity: Activity, steps: int, keep: int) -> Trace:
    spikes = {name: spike.cpu().numpy() for name, spike in activity.spikes.items()}
    u, v = ({name: s.cpu().numpy().astype(np.int32) for name, s in state.items()} for state in (activity.u, activity.v))
    kept = {
        "spikes": spikes,
        "u": {name: state[:keep] for name, state in u.items()},
        "v": {name: state[:keep] if name in spikes else state for name, state in v.items()},
        "u_digest": {name: digest(state) for name, state in u.items()},
        "v_digest": {name: digest(state) for name, state in v.items()},
    }
    layers = record_layers(offsets(network, "synchronous"), kept, activity.overflows)
    return Trace(layers=layers, predictions=predict(layers[network.output_layer], steps))


def _whole(parts: Iterable[Trace], frames: Array) -> Trace:
    started = time.perf_counter()
    recorded = list(parts)
    return join_traces(recorded, frames=frames, seconds=time.perf_counter() - started)


def _metadata(network: Network, device: str) -> dict[str, Any]:
    return {
        "classes": network.classes,
        "binning": network.binning,
        "runner": "torch",
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "versions": software_versions("torch", "snntorch"),
    }
