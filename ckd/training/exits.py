"""Early exit in torch: what a student is worth and costs at every step, and where its answer is clear.

The rule, and its sources, are those of `deploy.traces.exits`, which shares no line with this: a recording ends behind
the first step at which the summed logits of one class are `margin` ahead of all others.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ckd.training.cost import energy
from ckd.training.measure import Measured

MOST_MARGINS = 1000
"""Of those that occur, how many are tried where a margin is chosen."""


class Ended(NamedTuple):
    """Where R recordings ended: steps taken (R,), from 1 to T, and answers (R,)."""

    steps: Tensor
    answers: Tensor


def end_where_clear(logits: Tensor, margin: float) -> Ended:
    """Of (T, R, K) logits, K of at least two classes."""
    summed = logits.cumsum(0)
    return _ended(summed, _leads(summed), margin)


def _leads(summed: Tensor) -> Tensor:
    """By how much the first class is ahead of the second, (T, R)."""
    best = summed.topk(2, dim=-1).values
    return best[..., 0] - best[..., 1]


def _ended(summed: Tensor, ahead: Tensor, margin: float) -> Ended:
    clear = ahead >= margin
    clear[-1] = True
    ends = clear.int().argmax(0)
    return Ended(ends + 1, summed[ends, torch.arange(summed.shape[1])].argmax(-1))


def choose_margin(logits: Tensor, labels: Tensor, loss: float) -> float:
    """The smallest margin from which on no larger one loses more than `loss` of the accuracy of all steps.

    Args:
        logits: (T, R, K) of validation recordings.
        labels: (R,).
        loss: share of the recordings, 0 to 1.
    """
    summed = logits.cumsum(0)
    ahead = _leads(summed)
    occurring = ahead.unique()
    if len(occurring) > MOST_MARGINS:
        occurring = occurring[torch.linspace(0, len(occurring) - 1, MOST_MARGINS).round().long()]
    never = float(occurring[-1]) * 2 + 1
    least = int((_ended(summed, ahead, never).answers == labels).sum()) - loss * len(labels)
    chosen = never
    for margin in occurring.flip(0).tolist():
        # A number of recordings is whole, a share of them in floats is not.
        if int((_ended(summed, ahead, margin).answers == labels).sum()) < least - 1e-6:
            break
        chosen = margin
    else:
        return 0  # whoever leads, by however little
    return chosen


def by_step(measured: Measured) -> list[dict[str, float]]:
    """Accuracy, and per recording synaptic operations and joule, if all recordings ended behind the same step.

    Of the joule, spikes count at the rate of whole recordings.
    """
    operations = measured.operations.mean(1).cumsum(0).tolist()
    steps = len(operations)
    return [
        {
            "steps": step,
            "accuracy": accuracy,
            "synaptic_operations": done,
            "energy": energy(done, measured.spent["neuron_updates"] * step / steps, measured.spent["activity"]),
        }
        for step, (accuracy, done) in enumerate(zip(measured.accuracy_per_step, operations, strict=True), 1)
    ]


def with_exit(measured: Measured, labels: Tensor, margin: float) -> dict[str, float]:
    """The same where every recording ends where its answer is clear, means over the recordings."""
    ended = end_where_clear(measured.logits, margin)
    running = torch.arange(len(measured.logits))[:, None] < ended.steps
    done = float((measured.operations * running).sum()) / len(labels)
    steps = float(ended.steps.double().mean())
    updates = measured.spent["neuron_updates"] * steps / len(measured.logits)
    return {
        "margin": margin,
        "steps": steps,
        "accuracy": float((ended.answers == labels).double().mean()),
        "synaptic_operations": done,
        "energy": energy(done, updates, measured.spent["activity"]),
    }
