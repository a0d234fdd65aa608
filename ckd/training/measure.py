"""What a student does on recordings: accuracy, accuracy per time step, spike rate per layer."""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ckd.events import Frames
from ckd.events.types import Int
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
    synaptic_operations: float | None
    """Additions at synapses a recording: multiply-accumulates of every layer times the share of its inputs that are
    not zero (borders counted as full). None for a student from outside."""


@torch.no_grad()
def measure(student: SpikingStudent, frames: Frames, labels: Int) -> Measured:
    """Run a student in eval mode over (R, T, 2, H, W) frames."""
    was_training = student.training
    student.eval()
    weight = next(student.parameters())
    active: Counter[str] = Counter()
    cells: Counter[str] = Counter()

    def count(name: str, output: Tensor) -> None:
        active[name] += int(output.count_nonzero())
        cells[name] += output.numel()

    logits = []
    for start in range(0, len(frames), BATCH):
        part = torch.from_numpy(frames[start : start + BATCH]).to(weight.device).transpose(0, 1).to(weight.dtype)
        count("input", part)
        logits.append(student(part, observe=count).logits.cpu())
    student.train(was_training)
    known = student if isinstance(student, Student) else None
    summed = torch.cat(logits, 1).cumsum(0)
    right = summed.argmax(2).numpy() == labels
    return Measured(
        predictions=summed[-1].argmax(1).numpy(),
        accuracy=float(right[-1].mean()),
        accuracy_per_step=[float(value) for value in right.mean(1)],
        loss=float(torch.nn.functional.cross_entropy(summed[-1] / len(summed), torch.from_numpy(labels))),
        rates={name: active[name] / cells[name] for name in known.neurons} if known else {},
        synaptic_operations=_synaptic_operations(known, active, cells) / len(frames) if known else None,
    )


def _synaptic_operations(student: Student, active: Counter[str], cells: Counter[str]) -> float:
    nodes, total = dict(student.nodes.items()), 0.0
    for source, target in student.edges:
        module = nodes.get(target)
        if isinstance(module, nn.Conv2d | nn.Linear):
            total += active[source] / cells[source] * cells[target] * module.weight[0].numel()
    return total
