"""The float network read from a student is the student: same logits, same spikes up to the rounding of float32."""

import numpy as np
import pytest
import torch
from torch import nn

from ckd.events import Binning
from ckd.models.student import Student
from deploy.errors import UnsupportedError
from deploy.network import Array, Conv, Network
from deploy.network.idioms import READOUT
from deploy.passes.fold_linear import fold_linear
from deploy.runners import floating
from export.fold import student_to_network
from export.recording import record_float
from tests.export.conftest import BINNING, CLASSES


@pytest.mark.parametrize("kind", ["student", "resnet"])
def test_the_float_network_spikes_as_the_student_does(kind: str, frames: Array, request: pytest.FixtureRequest) -> None:
    student: Student = request.getfixturevalue(kind)
    network = student_to_network(student, binning=BINNING, classes=CLASSES)
    trained = record_float(student, network, frames)
    for run in (floating.run(network, frames), floating.run(fold_linear(network), frames)):
        for layer in trained.spiking:
            spikes = trained.layers[layer].output
            assert spikes.any(), f"{layer} never spikes"
            # float32 rounding alone may decide a potential that lies on the threshold.
            assert (spikes != run.layers[layer].output).mean() < 1e-4
        assert np.array_equal(run.predictions, trained.predictions)


def test_a_folded_batch_norm_gives_the_same_currents(student: Student, network: Network) -> None:
    x = torch.rand(3, *BINNING.frame_shape)
    expected = student.nodes["bn1"](student.nodes["conv1"](x))
    folded = network.nodes["conv1"]
    assert isinstance(folded, Conv) and folded.bias is not None
    weight, bias = torch.from_numpy(folded.weight), torch.from_numpy(folded.bias)
    got = torch.nn.functional.conv2d(x, weight, bias, padding=folded.padding)
    # Two float32 evaluations of the same sum of 18 products.
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_pooling_folds_into_what_follows_it(network: Network) -> None:
    folded = fold_linear(network)
    assert not any("pool" in name for name in folded.nodes)
    conv = folded.nodes["conv2"]
    assert isinstance(conv, Conv) and conv.weight.shape[2:] == (6, 6) and conv.stride == (2, 2)


def test_the_prediction_is_the_argmax_of_the_summed_logits(student: Student, network: Network, frames: Array) -> None:
    with torch.inference_mode():
        logits = student(torch.from_numpy(frames).float().transpose(0, 1)).logits.sum(0)
    trace = record_float(student, network, frames)
    assert np.array_equal(trace.predictions, logits.argmax(1).numpy())
    assert [name for name, layer in trace.layers.items() if "v" in layer] == [READOUT]


def test_max_pooling_is_refused_by_name() -> None:
    nodes: dict[str, nn.Module] = {"pool": nn.MaxPool2d(2), "flatten": nn.Flatten(), "classifier": nn.Linear(128, 4)}
    with pytest.raises(UnsupportedError, match="pool: a MaxPool2d cannot be deployed"):
        _read(nodes)


def _read(nodes: dict[str, nn.Module]) -> Network:
    from itertools import pairwise

    from ckd.models.neuron import LIF

    # A student has a convolutional LIF somewhere: the alignment needs it.
    nodes = {"lif": LIF(), **nodes}
    student = Student(nodes, tuple(pairwise(["input", *nodes, "output"])))
    return student_to_network(student, binning=Binning(step_us=1, steps=1, height=16, width=16), classes=CLASSES)
