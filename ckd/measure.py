"""What a student does on recordings: accuracy, accuracy per time step, spike rate per layer."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ckd.events import Frames
from ckd.student import Student


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Results over R recordings."""

    predictions: NDArray[np.int64]
    """(R,)"""
    accuracy: float
    accuracy_per_step: list[float]
    """Accuracy if the classifier stopped after 1, 2, ... T steps."""
    loss: float
    """Cross-entropy of the mean logits."""
    rates: dict[str, float]
    """Share of neuron-steps with a spike, by LIF layer."""


@torch.no_grad()
def measure(student: Student, frames: Frames, labels: NDArray[np.int64], *, batch: int = 64) -> Measured:
    """Run a student in eval mode over (R, T, 2, H, W) frames."""
    was_training = student.training
    student.eval()
    device = next(student.parameters()).device
    spikes = dict.fromkeys(student.neurons, 0.0)
    cells = dict.fromkeys(student.neurons, 0)

    def count(name: str, output: Tensor) -> None:
        if name in spikes:
            spikes[name] += float(output.sum())
            cells[name] += output.numel()

    logits = []
    for start in range(0, len(frames), batch):
        part = torch.from_numpy(frames[start : start + batch]).to(device).transpose(0, 1).float()
        logits.append(student(part, observe=count).logits.cpu())
    student.train(was_training)
    summed = torch.cat(logits, 1).cumsum(0)
    right = summed.argmax(2).numpy() == labels
    return Measured(
        predictions=summed[-1].argmax(1).numpy(),
        accuracy=float(right[-1].mean()),
        accuracy_per_step=[float(value) for value in right.mean(1)],
        loss=float(torch.nn.functional.cross_entropy(summed[-1] / len(summed), torch.from_numpy(labels))),
        rates={name: spikes[name] / cells[name] for name in spikes},
    )
