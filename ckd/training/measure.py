"""What a student does on recordings: accuracy, accuracy per time step, spike rate per layer."""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from ckd.data.stored import AnyFrames
from ckd.events.types import Int
from ckd.models.fan_out import fan_out
from ckd.models.spiking import SpikingStudent
from ckd.models.student import Student

BATCH = 64
"""Recordings that are measured together."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Results over R recordings."""

    predictions: Int
    """(R,)"""
    accuracy: float
    accuracy_per_step: list[float]
    """Accuracy if the classifier stopped after 1, 2, ... T steps."""
    loss: float
    """Cross-entropy of the mean logits."""
    rates: dict[str, float]
    """Share of neuron-steps with a spike, by LIF layer; none for a student from outside, whose layers nobody knows."""
    logits: Tensor
    """(T, R, K), on the CPU."""
    operations: Tensor
    """(T, R) float64: synaptic operations of every step, counted as in `spent`; zeros for a student from outside."""
    spent: dict[str, float]
    """activity, the share of all neuron-steps with a spike; and a recording's synaptic_operations, one for
    every synapse that a spike reaches, as `ckd-deploy map` counts them, and neuron_updates. Empty for a student from
    outside."""


@torch.no_grad()
def measure(student: SpikingStudent, frames: AnyFrames, labels: Int) -> Measured:
    """Run a student in eval mode over (R, T, 2, H, W) frames."""
    was_training = student.training
    student.eval()
    weight = next(student.parameters())
    known = student if isinstance(student, Student) else None
    reached = fan_out(known, frames.shape[2:]) if known else {}
    spikes: Counter[str] = Counter()
    cells: Counter[str] = Counter()
    operations = torch.zeros(frames.shape[1], len(frames), dtype=torch.float64)

    def count(name: str, output: Tensor) -> None:
        if name not in reached:
            return
        spikes[name] += int(output.count_nonzero())
        cells[name] += output.numel()
        synapses = reached[name].flatten().double()
        # Step by step: in float64 a batch takes eight bytes a neuron.
        for step, sent in zip(operations, output, strict=True):
            step[start : start + BATCH] += ((sent != 0).flatten(1).double() @ synapses).cpu()

    logits, start = [], 0
    for start in range(0, len(frames), BATCH):
        part = torch.from_numpy(frames[start : start + BATCH]).to(weight.device).transpose(0, 1).to(weight.dtype)
        count("input", part)
        logits.append(student(part, observe=count).logits.cpu())
    student.train(was_training)
    given = torch.cat(logits, 1)
    summed = given.cumsum(0)
    right = summed.argmax(2).numpy() == labels
    return Measured(
        predictions=summed[-1].argmax(1).numpy(),
        accuracy=float(right[-1].mean()),
        accuracy_per_step=[float(value) for value in right.mean(1)],
        loss=float(torch.nn.functional.cross_entropy(summed[-1] / len(summed), torch.from_numpy(labels))),
        rates={name: spikes[name] / cells[name] for name in known.neurons} if known else {},
        logits=given,
        operations=operations,
        spent=_spent(known, spikes, cells, float(operations.sum()), len(frames)) if known else {},
    )


def _spent(
    student: Student, spikes: Counter[str], cells: Counter[str], operations: float, recordings: int
) -> dict[str, float]:
    updates = sum(cells[name] for name in student.neurons)
    return {
        "activity": sum(spikes[name] for name in student.neurons) / updates,
        "synaptic_operations": operations / recordings,
        "neuron_updates": updates / recordings,
    }
