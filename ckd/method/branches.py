"""The two branches of an iteration: one backbone, one classifier, and what exists in training alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ckd.config import Method
from ckd.method.batches import Batch
from ckd.method.losses import alignment_loss, distillation_loss, event_weights, linear_cka, mean_logit_loss, tet_loss
from ckd.models.distributed import gathered
from ckd.models.student import Student, StudentOutput


class BranchOutputs(NamedTuple):
    event: StudentOutput
    mixed: StudentOutput | None


class Branches(nn.Module):
    """Student, step weights a_t, and the static head of the two-heads ablation; one forward call an iteration."""

    def __init__(self, student: Student, method: Method, steps: int) -> None:
        super().__init__()
        self.student = student
        self.method = method
        self.a = nn.Parameter(torch.ones(steps), requires_grad=method.temporal_weights and method.distill)
        classifier = student.nodes["classifier"]
        assert isinstance(classifier, nn.Linear)
        two = method.distill and method.heads == "two"
        self.static_head = nn.Linear(classifier.in_features, classifier.out_features) if two else None

    def forward(self, event: Tensor, mixed: Tensor | None) -> BranchOutputs:
        if mixed is None:
            return BranchOutputs(self.student(event), None)
        if self.method.batch_norm == "joint" and self.static_head is None:
            both = self.student(torch.cat([event, mixed], dim=1))
            batch = event.shape[1]
            return BranchOutputs(
                StudentOutput(both.logits[:, :batch], both.potential[:, :batch]),
                StudentOutput(both.logits[:, batch:], both.potential[:, batch:]),
            )
        if self.method.batch_norm == "joint":
            static = self.student(mixed, classifier=self.static_head)
        else:
            with kept_statistics(self.student):
                static = self.student(mixed, classifier=self.static_head)
        return BranchOutputs(self.student(event), static)


@contextmanager
def kept_statistics(student: Student) -> Iterator[None]:
    """Batch norm uses this batch's statistics and leaves the running ones, which evaluation uses, as they are."""
    norms = [module for module in student.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def branch_losses(
    outputs: BranchOutputs, batch: Batch, a: Tensor, method: Method, *, teacher: Tensor | None, weight: float
) -> dict[str, Tensor]:
    """Every term of L_all, and their sum as "loss"; with distillation on also "cka" (T,) where alignment is.

        L_all = L_cls-s + W L_KD + L_cls-e + align_weight L_DA

    Args:
        outputs: of both branches.
        batch: with its labels.
        a: (T,) step weights a_t.
        method: which parts are on.
        teacher: (N, K) logits of the stills, or None where W is zero.
        weight: W, the distillation weight of this iteration.
    """

    def class_loss(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        if not method.tet:
            return mean_logit_loss(logits, labels)
        return tet_loss(logits, labels, weights=weights, lam=method.tet_lam)

    event, mixed = outputs
    if mixed is None:
        loss = class_loss(event.logits, batch.event_labels, None)
        return {"loss": loss, "event": loss}
    assert batch.mixed_labels is not None
    terms = {
        "event": class_loss(event.logits, batch.event_labels, event_weights(a) if method.temporal_weights else None),
        "static": class_loss(mixed.logits, batch.mixed_labels, None),
    }
    loss = terms["event"] + terms["static"]
    if teacher is not None:
        terms["kd"] = distillation_loss(mixed.logits, teacher, temperature=method.kd_temperature)
        loss = loss + weight * terms["kd"]
    if method.align_weight > 0:
        terms["cka"] = linear_cka(gathered(mixed.potential.flatten(2)), gathered(event.potential.flatten(2)))
        terms["align"] = alignment_loss(terms["cka"], a if method.temporal_weights else torch.ones_like(a))
        loss = loss + method.align_weight * terms["align"]
    return {"loss": loss, **terms}
