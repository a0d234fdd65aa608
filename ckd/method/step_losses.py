"""Distillation of the logits of every step, so that a student is of use after any number of steps.

Sources: [TKD] Yu et al., "Efficient Logit-based Knowledge Distillation of Deep Spiking Neural Networks for Full-Range
Timestep Deployment", ICML 2025, arXiv 2501.15925, and its authors' code, snn_temporal_decoupling_distillation;
[SeAl] Sun et al., "Not All Timesteps Matter Equally: Selective Alignment Knowledge Distillation for Spiking Neural
Networks", arXiv 2605.14252, and its authors' code, KaiSUN1/SeAl. T time steps, N samples, K classes.

Of TMKT (Xie et al., arXiv 2511.12150) the replacement by time steps is `replacement="first-draw"`. Its two further
terms, modality-aware guidance and mixup ratio perception, are not here: what we could read of the paper says what they
predict (the source of every step; the share of steps of each source), and neither their heads nor their weights.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def step_distillation(student: Tensor, teacher: Tensor, *, temperature: float = 4.0) -> Tensor:
    """tau^2 mean_t KL(softmax(teacher_t / tau) || softmax(student_t / tau)), mean over the batch [TKD].

    Args:
        student: (T, N, K) logits.
        teacher: logits (N, K), the same at every step, or (T, N, K).
        temperature: tau.
    """
    log_student = F.log_softmax(student / temperature, dim=-1)
    log_teacher = F.log_softmax(teacher / temperature, dim=-1).expand_as(log_student)
    apart = F.kl_div(log_student, log_teacher, reduction="none", log_target=True).sum(-1)
    return temperature**2 * apart.mean()


def ensemble_loss(logits: Tensor, *, temperature: float = 4.0) -> Tensor:
    """Every step learns what all steps say together: `step_distillation` from the mean logits, held fixed [TKD].

    Args:
        logits: (T, N, K).
        temperature: tau.
    """
    return step_distillation(logits, logits.mean(0).detach(), temperature=temperature)


def error_aware_distillation(student: Tensor, teacher: Tensor, labels: Tensor, *, temperature: float = 4.0) -> Tensor:
    """`step_distillation` with error-aware logits [SeAl].

    Where a step's largest logit is of a wrong class w, the student's logit of w is replaced by that of the label y, and
    the teacher's of w and y by the smaller of the two: the pair is left to compete, and the other classes are taught.

    Args:
        student: (T, N, K) logits.
        teacher: (N, K) logits.
        labels: (N,) int64 y.
        temperature: tau.
    """
    classes = student.shape[-1]
    guess = student.argmax(-1)
    is_label = F.one_hot(labels, classes).bool().expand_as(student)
    is_guess = F.one_hot(guess, classes).bool()
    wrong = (guess != labels)[..., None]
    of_label = student.gather(-1, labels.expand(len(student), -1)[..., None])
    taught = teacher.expand_as(student)
    smaller = torch.minimum((taught * is_label).sum(-1, keepdim=True), (taught * is_guess).sum(-1, keepdim=True))
    aligned = torch.where(wrong & is_guess, of_label, student)
    return step_distillation(
        aligned, torch.where(wrong & (is_guess | is_label), smaller, taught), temperature=temperature
    )


def selective_alignment(logits: Tensor, *, temperature: float = 3.0) -> Tensor:
    """Every step learns from the others, most from those that are sure and alike [SeAl].

        w_ts = softmax over s != t of c_s cos(o_t, o_s),  c_s = 1 - H(softmax(o_s)) / ln K
        L = tau^2 mean_t KL(softmax(sum_s w_ts o_s / tau) || softmax(o_t / tau)),  the first held fixed

    Args:
        logits: (T, N, K); of a single step the loss is 0.
        temperature: tau, 3 in the authors' code.
    """
    steps, _, classes = logits.shape
    if steps == 1:
        return (logits * 0).sum()
    given = logits.detach().transpose(0, 1)
    entropy = torch.special.entr(given.softmax(-1)).sum(-1)
    confidence = 1 - entropy / math.log(classes)
    directions = F.normalize(given, dim=-1)
    scores = confidence[:, None, :] * (directions @ directions.transpose(1, 2))
    itself = torch.eye(steps, dtype=torch.bool, device=logits.device)
    weights = scores.masked_fill(itself, -math.inf).softmax(-1)
    return step_distillation(logits, (weights @ given).transpose(0, 1), temperature=temperature)
