"""The two branches of an iteration: one backbone, one classifier, and what exists in training alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ckd.config import Method
from ckd.method.budget import Meter, Spent, budgets
from ckd.models.distributed import batch_norms
from ckd.models.spiking import SpikingStudent, StudentOutput
from ckd.models.student import Student


class BranchOutputs(NamedTuple):
    event: StudentOutput
    mixed: StudentOutput | None
    spent: Spent | None = None
    """By the event branch, where there is a budget."""


class Branches(nn.Module):
    """Student, step weights a_t, and the static head of the two-heads ablation; one forward call an iteration.

    Args:
        student: what is trained.
        method: which parts are on.
        frames: (T, C, H, W) of a recording.
    """

    def __init__(self, student: SpikingStudent, method: Method, frames: tuple[int, int, int, int]) -> None:
        super().__init__()
        steps, *shape = frames
        self.student = student
        self.meter = _meter(student, method, shape)
        self.method = method
        self.a = nn.Parameter(torch.ones(steps), requires_grad=method.temporal_weights and method.distill)
        self.static_head = _head_like(student) if method.distill and method.heads == "two" else None

    def forward(self, event: Tensor, mixed: Tensor | None) -> BranchOutputs:
        spikes: dict[str, Tensor] = {}

        def watch(name: str, output: Tensor) -> None:
            if self.meter is not None and name in self.meter.layers:
                spikes[name] = output[:, : event.shape[1]]

        # Unobserved, a student is free to compute several nodes at once.
        event_output, mixed_output = self._outputs(event, mixed, None if self.meter is None else watch)
        spent = None if self.meter is None else self.meter(event, spikes)
        return BranchOutputs(event_output, mixed_output, spent)

    def _outputs(
        self, event: Tensor, mixed: Tensor | None, watch: Callable[[str, Tensor], None] | None
    ) -> tuple[StudentOutput, StudentOutput | None]:
        if mixed is None:
            return self.student(event, observe=watch), None
        if self.method.batch_norm == "joint" and self.static_head is None:
            both = self.student(torch.cat([event, mixed], dim=1), observe=watch)
            parts = slice(event.shape[1]), slice(event.shape[1], None)
            event_part, mixed_part = (
                StudentOutput(both.logits[:, rows], None if both.potential is None else both.potential[:, rows])
                for rows in parts
            )
            return event_part, mixed_part
        if self.method.batch_norm == "joint":
            static = self.student(mixed, classifier=self.static_head)
        else:
            with kept_statistics(self.student):
                static = self.student(mixed, classifier=self.static_head)
        return self.student(event, observe=watch), static


def _meter(student: SpikingStudent, method: Method, shape: list[int]) -> Meter | None:
    if not budgets(method):
        return None
    assert isinstance(student, Student), "a configuration with a budget for another student is refused"
    channels, height, width = shape
    return Meter(student, (channels, height, width))


def _head_like(student: SpikingStudent) -> nn.Linear:
    """A fresh classifier of the form of the student's own."""
    assert isinstance(student, Student), "a configuration with two heads for another student is refused"
    classifier = student.nodes["classifier"]
    assert isinstance(classifier, nn.Linear)
    return nn.Linear(classifier.in_features, classifier.out_features)


@contextmanager
def kept_statistics(student: nn.Module) -> Iterator[None]:
    """Batch norm uses this batch's statistics and leaves the running ones, which evaluation uses, as they are."""
    norms = batch_norms(student)
    momenta = [norm.momentum for norm in norms]
    # Without a momentum the running statistics are means over all batches: this one must not count.
    counts = [None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone() for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, count in zip(norms, momenta, counts, strict=True):
            norm.momentum = momentum
            if momentum is None and norm.num_batches_tracked is not None and count is not None:
                norm.num_batches_tracked.copy_(count)
