"""Students are graphs that a chip can take, with the shapes of the paper."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from ckd.errors import ConfigError
from ckd.models.neuron import LIF
from ckd.models.student import Neuron, build_resnet18, build_vgg

PAPER_VGG = "64-128-AP-256-256-AP-512-512-AP-512-512-AP"


def test_papers_vgg_has_its_shapes_and_parameters() -> None:
    student = build_vgg(PAPER_VGG, input_shape=(2, 48, 48), classes=101)
    convs = [m for m in student.nodes.values() if isinstance(m, nn.Conv2d)]
    channels = [2, 64, 128, 256, 256, 512, 512, 512, 512]
    assert [(m.in_channels, m.out_channels) for m in convs] == list(pairwise(channels))
    weights = sum(9 * a * b for a, b in pairwise(channels))
    norms = 2 * sum(channels[1:])
    assert sum(p.numel() for p in student.parameters()) == weights + norms + 512 * 3 * 3 * 101 + 101
    output = student(torch.zeros(10, 1, 2, 48, 48))
    assert output.logits.shape == (10, 1, 101)
    assert output.potential.shape == (10, 1, 512, 6, 6)


def test_papers_resnet_has_its_shapes_and_parameters_and_adds_currents() -> None:
    student = build_resnet18(input_shape=(2, 48, 48), classes=20)
    output = student(torch.zeros(6, 1, 2, 48, 48))
    assert output.logits.shape == (6, 1, 20)
    assert output.potential.shape == (6, 1, 512, 6, 6)
    # torchvision's ResNet-18 has 11,689,512 parameters, with a 7 x 7 stem on three channels and 1,000 classes.
    stem, head = 64 * (2 * 9 - 3 * 49), 513 * (20 - 1000)
    assert sum(p.numel() for p in student.parameters()) == 11_689_512 + stem + head
    assert len(student.neurons) == 17
    fed_twice = [name for name in student.neurons if sum(target == name for _, target in student.edges) == 2]
    assert len(fed_twice) == 8


@pytest.mark.parametrize("widths", ["8", "4-AP-8-AP", "2-3-AP-4-5-AP-6-7-AP"])
def test_any_width_list_makes_a_student(widths: str) -> None:
    student = build_vgg(widths, input_shape=(2, 16, 16), classes=3)
    assert list(student.nodes)[-2:] == ["flatten", "classifier"]
    assert student(torch.zeros(2, 1, 2, 16, 16)).logits.shape == (2, 1, 3)


def test_only_deployable_modules_and_neurons_appear() -> None:
    for student in (
        build_vgg("4-AP-8-AP", input_shape=(2, 16, 16), classes=3),
        build_resnet18(input_shape=(2, 16, 16), classes=3, width=4),
    ):
        allowed = (nn.Conv2d, nn.BatchNorm2d, LIF, nn.AvgPool2d, nn.Flatten, nn.Linear)
        assert all(isinstance(module, allowed) for module in student.nodes.values())
        order = ["input", *student.nodes, "output"]
        assert all(order.index(source) < order.index(target) for source, target in student.edges)


def test_time_folded_into_the_batch_changes_nothing() -> None:
    torch.manual_seed(0)
    student = build_vgg("4-AP-8-AP", input_shape=(2, 16, 16), classes=3, neuron=Neuron(threshold=0.2)).eval()
    frames = (torch.rand(5, 3, 2, 16, 16) < 0.3).float()
    expected, states = [], {}
    with torch.no_grad():
        for frame in frames:
            x = frame
            for name, module in student.nodes.items():
                if isinstance(module, LIF):
                    x, states[name] = module(x, states.get(name, torch.zeros_like(x)))
                else:
                    x = module(x)
            expected.append(x)
        found = student(frames).logits
    assert found.abs().sum() > 0
    # One convolution over all steps may sum in another order than one a step.
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("widths", "said"), [("8-MP", "'MP'"), ("AP", "at least one"), ("8-AP-8-AP", "does not divide"), ("0", "'0'")]
)
def test_width_lists_that_cannot_be_built_are_refused(widths: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build_vgg(widths, input_shape=(2, 18, 18), classes=3)
