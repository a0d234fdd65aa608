"""What a student spends is counted synapse by synapse, and the loss presses it within its budget, no further."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from ckd.config import Method
from ckd.method.branches import Branches
from ckd.method.budget import BEGINS, REACHED, Meter, budget_loss, overspent
from ckd.models.fan_out import fan_out
from ckd.models.neuron import LIF
from ckd.models.student import Neuron, Student, build_resnet18, build_vgg

SHAPE = (2, 16, 16)


def vgg() -> Student:
    torch.manual_seed(0)
    return build_vgg("4-AP-8-AP", input_shape=SHAPE, classes=3, neuron=Neuron(threshold=0.3))


@pytest.mark.parametrize("build", [vgg, lambda: build_resnet18(input_shape=SHAPE, classes=3, width=2)])
def test_a_spike_reaches_as_many_neurons_as_its_weights_change(build: Callable[[], Student]) -> None:
    student = build()
    found = fan_out(student, SHAPE)
    for module in student.nodes.values():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.ones_(module.weight)
    generator = torch.Generator().manual_seed(1)
    for name, counts in found.items():
        for _ in range(3):
            at = tuple(int(torch.randint(size, (), generator=generator)) for size in counts.shape)
            assert counts[at] == _reached(student, name, at)


def _reached(student: Student, name: str, at: tuple[int, ...]) -> int:
    """Ways from one neuron of `name`, by hand: push a one through the modules up to the next neurons."""

    def push(node: str, x: torch.Tensor) -> int:
        total = 0
        for source, target in student.edges:
            if source != node:
                continue
            module = student.nodes[target] if target != "output" else None
            if module is None or isinstance(module, LIF):
                total += int(x.count_nonzero())
            else:
                still = isinstance(module, nn.BatchNorm2d)
                y = x if still else module(x) - module(torch.zeros_like(x))
                total += push(target, (y.abs() > 1e-6).to(x.dtype))
        return total

    shape = fan_out(student, SHAPE)[name].shape
    one = torch.zeros(1, *shape)
    one[(0, *at)] = 1
    with torch.no_grad():
        return push(name, one)


@torch.no_grad()
def test_the_meter_counts_spikes_and_the_synapses_they_reach() -> None:
    student = vgg().eval()
    frames = (torch.rand(3, 2, *SHAPE, generator=torch.Generator().manual_seed(0)) < 0.2).float()
    seen: dict[str, torch.Tensor] = {}
    student(frames, observe=lambda name, x: seen.update({name: x}))
    spikes = {name: seen[name] for name in student.neurons}
    spent = Meter(student, SHAPE)(frames, spikes)
    assert all(x.sum() > 0 for x in spikes.values())
    total, cells = sum(float(x.sum()) for x in spikes.values()), sum(x.numel() for x in spikes.values())
    assert float(spent.activity) == pytest.approx(total / cells, rel=1e-5)
    reached = fan_out(student, SHAPE)
    operations = sum(float((x * reached[name]).sum()) for name, x in {"input": frames, **spikes}.items())
    assert float(spent.synaptic_operations) == pytest.approx(operations / 2, rel=1e-5)


def test_the_loss_ends_at_the_budget_which_tightens_until_half_the_training() -> None:
    spent = torch.tensor(0.2, requires_grad=True)
    loss = budget_loss(spent, 0.05, progress=1.0)
    assert loss.item() == pytest.approx(math.log(4))
    loss.backward()
    assert spent.grad is not None and spent.grad.item() == pytest.approx(1 / 0.2)
    assert float(budget_loss(torch.tensor(0.04), 0.05, progress=1.0)) == 0
    assert float(budget_loss(torch.tensor(0.05 * BEGINS), 0.05, progress=0.0)) == pytest.approx(0, abs=1e-6)
    halfway = budget_loss(torch.tensor(0.5), 0.05, progress=REACHED / 2)
    assert float(halfway) == pytest.approx(math.log(10 / math.sqrt(BEGINS)))


def test_weights_within_the_budget_come_first() -> None:
    method = Method(activity=0.1, synaptic_operations=1e6)
    assert overspent({"activity": 0.1, "synaptic_operations": 9e5}, method) == 0
    assert overspent({"activity": 0.2, "synaptic_operations": 4e6}, method) == pytest.approx(math.log(4))
    assert overspent({}, Method()) == 0


@pytest.mark.parametrize("joint", [False, True])
def test_only_recordings_count(joint: bool) -> None:
    method = Method(activity=0.1, batch_norm="joint" if joint else "separate")
    branches = Branches(vgg(), method, (3, *SHAPE)).eval()
    generator = torch.Generator().manual_seed(0)
    event, still = ((torch.rand(3, 2, *SHAPE, generator=generator) < share).float() for share in (0.2, 0.6))
    alone = branches(event, None).spent
    assert alone is not None and alone.activity > 0
    torch.testing.assert_close(branches(event, still).spent, alone)
