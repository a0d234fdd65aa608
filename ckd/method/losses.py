"""The losses of cross knowledge distillation, a function a formula, and their sum. T time steps, N samples, K classes.

Sources: [paper] Ye et al., ICME 2025, arXiv 2507.09269; [KT] He et al., AAAI 2024; [TET] Deng et al., ICLR 2022.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ckd.config import Method
from ckd.method.batches import Batch
from ckd.method.branches import BranchOutputs
from ckd.method.budget import WEIGHT, budget_loss, budgets
from ckd.method.step_losses import ensemble_loss, error_aware_distillation, selective_alignment, step_distillation
from ckd.models.distributed import gathered
from ckd.models.precision import at_least_float32

EPSILON = 1e-7


def tet_loss(logits: Tensor, labels: Tensor, *, weights: Tensor | None = None, lam: float = 1e-3) -> Tensor:
    """Temporal efficient training: the loss of every step, then their mean [TET, KT].

        L = mean_t w_t [ (1 - lam) CE(o_t, y) + lam MSE(o_t, 0.5) ]

    Args:
        logits: (T, N, K).
        labels: (N,) int64, or (N, K) shares of the classes.
        weights: (T,) w_t; None is 1 at every step.
        lam: share of the regularizer that keeps logits from growing.
    """
    steps, batch, _ = logits.shape
    repeated = labels.repeat(steps, *[1] * (labels.ndim - 1))
    ce = F.cross_entropy(logits.flatten(0, 1), repeated, reduction="none").view(steps, batch).mean(1)
    mse = (logits - 0.5).square().mean((1, 2))
    per_step = (1 - lam) * ce + lam * mse
    return (per_step if weights is None else weights * per_step).mean()


def mean_logit_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the logits' mean over the steps: what TET replaces. Shapes as for `tet_loss`."""
    return F.cross_entropy(logits.mean(0), labels)


def event_weights(a: Tensor) -> Tensor:
    """Weight of each step in the event branch's class loss, 1 - sigmoid(a_t) [KT]. (T,) to (T,)."""
    return 1 - torch.sigmoid(a)


def distillation_loss(student: Tensor, teacher: Tensor, *, temperature: float = 4.0) -> Tensor:
    """tau^2 KL(softmax(teacher / tau) || softmax(student / tau)), mean over the batch (Hinton et al. 2015).

    Args:
        student: (T, N, K) logits of the static branch; their mean over the steps is compared.
        teacher: (N, K) logits.
        temperature: tau.
    """
    log_student = F.log_softmax(student.mean(0) / temperature, dim=1)
    log_teacher = F.log_softmax(teacher / temperature, dim=1)
    return temperature**2 * F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


def linear_cka(x: Tensor, y: Tensor) -> Tensor:
    """Centered linear kernel alignment of two sets of features at every step [KT].

        K = X X^T, L = Y Y^T, both centered (H K H);  CKA = <K, L>_F / (|K|_F |L|_F + 1e-7)

    Args:
        x: (T, N, features), and `y` likewise (other features allowed).

    Returns:
        (T,), in float32 or better also under mixed precision.
    """
    with torch.autocast(x.device.type, enabled=False):
        gram_x, gram_y = (_centered_gram(at_least_float32(features)) for features in (x, y))
        norms = gram_x.norm(dim=(1, 2)) * gram_y.norm(dim=(1, 2))
        return (gram_x * gram_y).sum((1, 2)) / (norms + EPSILON)


def _centered_gram(features: Tensor) -> Tensor:
    # Centering the features centers the Gram matrix: (HX)(HX)^T = H X X^T H.
    centered = features - features.mean(1, keepdim=True)
    return centered @ centered.transpose(1, 2)


def alignment_loss(cka: Tensor, a: Tensor) -> Tensor:
    """Domain alignment, mean_t sigmoid(a_t) (1 - |CKA_t|), of (T,) and (T,) [paper, KT]."""
    return (torch.sigmoid(a) * (1 - cka.abs())).mean()


def _taught(student: Tensor, teacher: Tensor, labels: Tensor, method: Method) -> Tensor:
    """The distillation loss that `kd_steps` names."""
    match method.kd_steps:
        case "mean":
            return distillation_loss(student, teacher, temperature=method.kd_temperature)
        case "each":
            return step_distillation(student, teacher, temperature=method.kd_temperature)
        case "error-aware":
            return error_aware_distillation(student, teacher, labels, temperature=method.kd_temperature)


def branch_losses(
    outputs: BranchOutputs,
    batch: Batch,
    a: Tensor,
    method: Method,
    *,
    teacher: Tensor | None,
    weight: float,
    progress: float,
) -> dict[str, Tensor]:
    """Every term of L_all by its name in metrics.jsonl, their weighted sum as "loss", and with alignment "cka" (T,).

        L_all = L_cls-e + L_cls-s + W L_KD + align_weight L_DA + the losses between steps, of both branches
              + the loss of every budget

    Where the static branch is off, L_all is the terms of the event branch alone.

    Args:
        outputs: of both branches.
        batch: with its labels.
        a: (T,) step weights a_t.
        method: which parts are on.
        teacher: (N, K) logits of the stills, or None where W is zero.
        weight: W, the distillation weight of this iteration.
        progress: share of the training that is done, 0 to 1.
    """

    def class_loss(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        if not method.tet:
            return mean_logit_loss(logits, labels)
        return tet_loss(logits, labels, weights=weights, lam=method.tet_lam)

    event, mixed, spent = outputs
    shared = method.temporal_weights and mixed is not None
    weighted = {"event": (1.0, class_loss(event.logits, batch.event_labels, event_weights(a) if shared else None))}
    watched: dict[str, Tensor] = {}
    if mixed is not None:
        assert batch.mixed_labels is not None
        weighted["static"] = (1.0, class_loss(mixed.logits, batch.mixed_labels))
        if teacher is not None:
            weighted["kd"] = (weight, _taught(mixed.logits, teacher, batch.mixed_labels, method))
        if method.align_weight > 0:
            assert mixed.potential is not None and event.potential is not None
            cka = linear_cka(gathered(mixed.potential.flatten(2)), gathered(event.potential.flatten(2)))
            watched["cka"] = cka
            aligned = alignment_loss(cka, a if method.temporal_weights else torch.ones_like(a))
            weighted["align"] = (method.align_weight, aligned)
    branches = [branch.logits for branch in (event, mixed) if branch is not None]
    if method.ensemble_weight > 0:
        terms = [ensemble_loss(logits, temperature=method.kd_temperature) for logits in branches]
        weighted["ensemble"] = (method.ensemble_weight, torch.stack(terms).sum())
    if method.selective_weight > 0:
        weighted["selective"] = (method.selective_weight, torch.stack(list(map(selective_alignment, branches))).sum())
    for name, budget in budgets(method).items():
        weighted[f"{name}_over"] = (WEIGHT, budget_loss(getattr(spent, name), budget, progress=progress))
    loss = sum((factor * term for factor, term in weighted.values()), start=event.logits.new_zeros(()))
    return {"loss": loss, **{name: term for name, (_, term) in weighted.items()}, **watched}
