"""Traces of the trained student in PyTorch, on whatever device it runs: what every later run is held against."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from ckd.models.student import Student
from deploy.network import Array, Network
from deploy.network.idioms import READOUT
from deploy.runners.walk import offsets
from deploy.traces.checksum import digest
from deploy.traces.layers import record_layers
from deploy.traces.prediction import predict
from deploy.traces.trace import Trace, join_traces, software_versions
from export.integer import Activity, IntegerNetwork

KEEP_STATES = 8
"""Recordings whose u and v are kept whole; of all others a checksum of every step is kept."""

BATCH = 32


def record_quantized(network: Network, frames: Array, *, device: str = "cpu", states: int = KEEP_STATES) -> Trace:
    """The quantized student's spikes, currents and potentials.

    Args:
        network: on the grid.
        frames: (R, T, *input_shape) counts.
        device: where PyTorch runs it.
        states: for how many recordings u and v are kept whole; of all others a checksum of every step is kept.
    """
    started = time.perf_counter()
    module = IntegerNetwork(network, max_count=int(frames.max(initial=1))).to(device)
    parts = []
    with torch.inference_mode():
        for first in range(0, len(frames), BATCH):
            activity = module(torch.from_numpy(frames[first : first + BATCH]).to(device), states=True)
            parts.append(_to_trace(network, activity, frames.shape[1], max(0, states - first)))
    return _join(network, parts, frames, device, time.perf_counter() - started)


def record_float(student: Student, network: Network, frames: Array, *, device: str = "cpu") -> Trace:
    """The float student's spikes, and the readout's potential: the sum of the logits so far.

    Args:
        student: in evaluation mode.
        network: the same student as a float network, for names and schedule.
        frames: (R, T, *input_shape) counts.
        device: where PyTorch runs it.
    """
    started = time.perf_counter()
    student = student.to(device).eval()
    parts = []
    with torch.inference_mode(), _whole_float32():
        for first in range(0, len(frames), BATCH):
            batch = torch.from_numpy(frames[first : first + BATCH]).to(device, torch.float32).transpose(0, 1)
            spikes: dict[str, Array] = {}

            def observe(name: str, output: torch.Tensor, spikes: dict[str, Array] = spikes) -> None:
                if name in student.neurons:
                    spikes[name] = output.transpose(0, 1).bool().cpu().numpy()

            logits = student(batch, observe=observe).logits
            v = {READOUT: logits.cumsum(0).transpose(0, 1).cpu().numpy()}
            layers = record_layers(offsets(network, "synchronous"), {"spikes": spikes, "v": v})
            parts.append(Trace(layers=layers, predictions=predict(layers[READOUT], frames.shape[1])))
    return _join(network, parts, frames, device, time.perf_counter() - started)


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


def _join(network: Network, parts: list[Trace], frames: Array, device: str, seconds: float) -> Trace:
    return join_traces(
        parts,
        frames=frames,
        classes=network.classes,
        binning=network.binning,
        runner="torch",
        device=torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        seconds=seconds,
        versions=software_versions("torch", "snntorch"),
    )
