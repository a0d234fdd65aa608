"""The grid student is the network on the grid, and learns there."""

import numpy as np
import pytest
import torch

from ckd.models.student import Student
from deploy import grid
from deploy.network import Array, Conv, Dense, Network
from deploy.quantization.search import Quantization, quantize_layers
from deploy.runners import integer
from export.fold import student_to_network
from export.tuning.grid_student import build_grid_student, grid_student_to_network
from tests.export.conftest import BINNING, CLASSES


@pytest.fixture(params=["student", "resnet"])
def quantization(request: pytest.FixtureRequest, frames: Array) -> Quantization:
    student: Student = request.getfixturevalue(request.param)
    network = student_to_network(student, binning=BINNING, classes=CLASSES)
    return quantize_layers(network, frames, weight_bits=8, method="max", chip="loihi2")


def _spikes(student: Student, frames: Array) -> dict[str, Array]:
    spikes = {}

    def observe(name: str, output: torch.Tensor) -> None:
        if name in student.neurons:
            spikes[name] = output.detach().bool().transpose(0, 1).numpy()

    student(torch.from_numpy(frames).float().transpose(0, 1), observe=observe)
    return spikes


def test_the_grid_student_computes_the_network_on_the_grid(quantization: Quantization, frames: Array) -> None:
    student = build_grid_student(quantization, weight_bits=8, alpha=2.0)
    wanted = integer.run(quantization.network, frames)
    for layer, spikes in _spikes(student, frames).items():
        assert spikes.any() and np.array_equal(spikes, wanted.layers[layer].output)
    again = grid_student_to_network(student, quantization)
    for name, node in quantization.network.nodes.items():
        if isinstance(node, Conv | Dense):
            other = again.nodes[name]
            assert isinstance(other, Conv | Dense) and np.array_equal(node.weight, other.weight)


def test_logits_are_the_readouts_increments(quantization: Quantization, frames: Array) -> None:
    student = build_grid_student(quantization, weight_bits=8, alpha=2.0)
    with torch.no_grad():
        logits = student(torch.from_numpy(frames).float().transpose(0, 1)).logits
    v = integer.run(quantization.network, frames).layers["readout"]["v"]
    state = quantization.layers[-1].scale * (1 << grid.STATE_BITS)
    # float32 holds seven digits of sums of a few logits.
    np.testing.assert_allclose(logits.cumsum(0).transpose(0, 1).numpy(), v / state, rtol=1e-4, atol=1e-4)


def test_after_a_step_of_training_they_are_still_one(quantization: Quantization, frames: Array) -> None:
    student = build_grid_student(quantization, weight_bits=8, alpha=2.0)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05)
    labels = torch.arange(len(frames)) % len(CLASSES)
    logits = student(torch.from_numpy(frames).float().transpose(0, 1)).logits.sum(0)
    torch.nn.functional.cross_entropy(logits, labels).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in student.parameters())
    optimizer.step()
    trained = grid_student_to_network(student, quantization)
    found = integer.run(trained, frames)
    for layer, spikes in _spikes(student, frames).items():
        assert np.array_equal(spikes, found.layers[layer].output)
    assert _changed(quantization.network, trained) > 0


def _changed(before: Network, after: Network) -> int:
    changed = 0
    for name, node in before.nodes.items():
        other = after.nodes[name]
        if isinstance(node, Conv | Dense) and isinstance(other, Conv | Dense):
            changed += int((node.weight != other.weight).sum())
            assert grid.weights_on_grid(other.weight)
    return changed
