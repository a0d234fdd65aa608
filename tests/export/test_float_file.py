"""The float student against the float runner on its .nir: every spike, save those that float32 rounding decides."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import deploy
from ckd.models.student import build_vgg
from deploy.cli import main
from deploy.formats.nir import write_nir
from deploy.network import Array, Conv, Dense, Flatten, FloatNeuron, Network, Scale, SumPool
from deploy.traces.trace import Trace
from export.fold import student_to_network
from export.recording import record_float
from tests.export.conftest import BINNING, CLASSES

MARGIN = 1e-4
"""The rule: rounding decides a spike only where its potential is this close to the threshold, as a part of it."""


def potentials(network: Network, trace: Trace) -> dict[str, Array]:
    """Every spiking layer's potential before its reset, in float64, along the spikes of the trace: (R, T, ...).

    For chains; shares no code with any runner.
    """
    assert trace.frames is not None
    x, found = torch.from_numpy(trace.frames).double(), {}
    for name in network.order:
        node = network.nodes[name]
        if isinstance(node, FloatNeuron) and node.threshold is not None:
            spikes = torch.from_numpy(np.asarray(trace.layers[name].output))
            v, rows = torch.zeros_like(x[:, 0]), []
            for t in range(x.shape[1]):
                v = float(node.keep) * v + x[:, t]
                rows.append(v)
                v = v.masked_fill(spikes[:, t], 0)
            found[name] = torch.stack(rows, 1).numpy()
            x = spikes.double()
        else:
            x = linear(node, x.flatten(0, 1)).unflatten(0, x.shape[:2])
    return found


def linear(node: object, x: Tensor) -> Tensor:
    match node:
        case Conv():
            bias = None if node.bias is None else torch.from_numpy(node.bias).double()
            return F.conv2d(x, torch.from_numpy(node.weight).double(), bias, node.stride, node.padding)
        case SumPool():
            return F.avg_pool2d(x, node.kernel, node.stride, divisor_override=1)
        case Dense():
            return x @ torch.from_numpy(node.weight).double().T
        case Scale():
            return x * float(node.factor)
        case Flatten():
            return x.flatten(1)
        case _:
            return x


def first_margins(network: Network, expected: Trace, found: Trace) -> list[float]:
    """For the first difference of every recording that has one, how far the potential is from the threshold.

    First in time, then in depth: up to there both had the same past and the same input.
    """
    along, margins = potentials(network, expected), []
    for r in range(expected.recordings):
        places = [
            (int(steps[0]), depth, name)
            for depth, name in enumerate(expected.spiking)
            if len(steps := np.flatnonzero(_unequal(expected, found, name, r).any(axis=1)))
        ]
        if places:
            step, _, name = min(places)
            node = network.nodes[name]
            assert isinstance(node, FloatNeuron) and node.threshold is not None
            threshold = float(node.threshold)
            at = along[name][r, step].ravel()[_unequal(expected, found, name, r)[step]]
            margins.append(float(np.abs(at - threshold).max()) / threshold)
    return margins


def _unequal(expected: Trace, found: Trace, name: str, r: int) -> Array:
    return (expected.layers[name].output[r] != found.layers[name].output[r]).reshape(expected.steps, -1)


def test_only_spikes_within_rounding_of_the_threshold_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights of whole tenths put many potentials on the threshold exactly, where the order of a sum decides."""
    torch.manual_seed(0)
    student = build_vgg("8-AP-12-AP", input_shape=BINNING.frame_shape, classes=len(CLASSES), first_padding=1).eval()
    with torch.no_grad():
        for name, module in student.nodes.items():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.copy_((module.weight * (40 if name == "conv1" else 20)).round() / 10)
            if isinstance(module, torch.nn.BatchNorm2d) and module.running_var is not None:
                module.running_var.fill_(1 - module.eps)
    network = student_to_network(student, binning=BINNING, classes=CLASSES)
    frames = (np.random.default_rng(0).random((64, BINNING.steps, *BINNING.frame_shape)) < 0.15).astype(np.uint8)
    expected = replace(record_float(student, network, frames), labels=np.zeros(64, np.int64))
    model = tmp_path / "student.nir"
    write_nir(network, model)
    expected.save(model.with_suffix(".trace"))
    found = deploy.run(deploy.load(model), frames, on="float")
    assert all(spikes.mean() > 0.02 for spikes in (layer.output for layer in expected.spiking.values()))
    margins = first_margins(network, expected, found)
    assert margins, "no spike was decided by rounding, so the rule was not tried; choose other weights"
    assert max(margins) < MARGIN
    assert main(["check", str(model), "--on", "float"]) == 0
    assert "EQUAL up to float32 rounding" in capsys.readouterr().out
