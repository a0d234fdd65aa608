"""What spikes cost, and the loss that keeps a student within a budget.

Networks that fire less cost less on a chip, whose energy goes with its spikes. The loss works on the logarithm, so that
half as many spikes count the same at any rate, and ends at the budget: there is no reward for less. Losses that ask for
few spikes: Neil, Pfeiffer and Liu, SAC 2016; the event rate loss of lava-dl's examples.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ckd.config import Method
from ckd.models.fan_out import fan_out
from ckd.models.student import Student

WEIGHT = 5.0
"""Of a budget's loss beside those of the two branches: with 1, students settled at twice their budget."""
REACHED = 0.5
"""Share of the training after which the budget is in force."""
BEGINS = 50.0
"""How many times the budget is allowed at first; from there it falls evenly in the logarithm."""


class Spent(NamedTuple):
    """Means over a batch, with their gradients."""

    activity: Tensor
    """Spikes per neuron and step."""
    synaptic_operations: Tensor
    """Per recording."""


class Meter(nn.Module):
    """Counts what a student spends.

    Args:
        student: whose spikes are counted.
        shape: (C, H, W) of a frame.
    """

    def __init__(self, student: Student, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.layers = list(student.neurons)
        for name, counts in fan_out(student, shape).items():
            self.register_buffer(name, counts, persistent=False)

    def forward(self, frames: Tensor, spikes: dict[str, Tensor]) -> Spent:
        """What was spent on (T, N, C, H, W) frames, of the (T, N, ...) spikes of every LIF layer."""
        rates = [spikes[name] for name in self.layers]
        activity = torch.stack([x.sum() for x in rates]).sum() / sum(x.numel() for x in rates)
        sent = {"input": (frames != 0).to(frames.dtype), **spikes}
        operations = torch.stack([(x.sum((0, 1)) * self.get_buffer(name)).sum() for name, x in sent.items()])
        return Spent(activity, operations.sum() / frames.shape[1])


def budgets(method: Method) -> dict[str, float]:
    """The budgets that a recipe sets, by the names of `Spent`."""
    wanted = {name: getattr(method, name) for name in Spent._fields}
    return {name: budget for name, budget in wanted.items() if budget is not None}


def budget_loss(spent: Tensor, budget: float, *, progress: float) -> Tensor:
    """max(0, ln(spent / (budget * slack))), slack falling from `BEGINS` to 1.

    Args:
        spent: activity or operations.
        budget: what it shall not exceed at the end.
        progress: share of the training that is done, 0 to 1.
    """
    slack = BEGINS ** max(0.0, 1 - progress / REACHED)
    return (spent.clamp(min=1e-12) / (budget * slack)).log().clamp(min=0)


def overspent(measured: dict[str, float], method: Method) -> float:
    """By what factor the worst of the budgets is exceeded, as a logarithm; 0 within them all."""
    ratios = [measured[name] / budget for name, budget in budgets(method).items()]
    return max((math.log(max(ratio, 1.0)) for ratio in ratios), default=0.0)
