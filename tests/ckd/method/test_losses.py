"""Every loss against numbers worked out without our code: plain numpy, or by hand."""

import math

import numpy as np
import pytest
import torch

from ckd.method.losses import alignment_loss, distillation_loss, event_weights, linear_cka, mean_logit_loss, tet_loss


def numpy_cka(x: np.ndarray, y: np.ndarray) -> float:
    """<HKH, HLH>_F / (|HKH|_F |HLH|_F), written with the centering matrix as in the paper."""
    n = len(x)
    centering = np.eye(n) - np.ones((n, n)) / n
    a, b = centering @ x @ x.T @ centering, centering @ y @ y.T @ centering
    return float((a * b).sum() / (np.sqrt((a**2).sum()) * np.sqrt((b**2).sum()) + 1e-7))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def test_cka_is_the_centered_kernel_alignment_of_every_step() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 9, 30)), rng.normal(size=(4, 9, 20))
    y[:, :, :5] += x[:, :, :5]
    expected = [numpy_cka(a, b) for a, b in zip(x, y, strict=True)]
    found = linear_cka(torch.from_numpy(x), torch.from_numpy(y))
    # The same sums in another order, and 1e-7 in the denominator, both in float64.
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-8)


def test_cka_is_one_for_rotated_and_scaled_features() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1, 12, 6))
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert linear_cka(torch.from_numpy(x), torch.from_numpy(3 * x @ rotation)).item() == pytest.approx(1, abs=1e-5)


def test_cka_stays_in_float32_under_mixed_precision() -> None:
    x = torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = linear_cka(x, x + 1)
    assert torch.equal(mixed, linear_cka(x, x + 1))


def test_alignment_weighs_each_step_by_the_sigmoid_of_its_parameter() -> None:
    cka, a = torch.tensor([0.5, -0.25]), torch.tensor([0.0, math.log(3)])
    # sigmoid(0) = 1/2 and sigmoid(ln 3) = 3/4; 1 - |CKA| = 1/2 and 3/4.
    assert alignment_loss(cka, a).item() == pytest.approx((0.5 * 0.5 + 0.75 * 0.75) / 2)


def test_event_branch_weighs_each_step_by_what_alignment_leaves() -> None:
    assert event_weights(torch.tensor([0.0, math.log(3)])).tolist() == pytest.approx([0.5, 0.25])


def test_tet_is_the_mean_of_the_losses_of_the_steps() -> None:
    rng = np.random.default_rng(2)
    logits, labels, lam = rng.normal(size=(3, 5, 4)), rng.integers(4, size=5), 1e-3
    per_step = [
        (1 - lam) * -log_softmax(o)[np.arange(5), labels].mean() + lam * ((o - 0.5) ** 2).mean() for o in logits
    ]
    found = tet_loss(torch.from_numpy(logits), torch.from_numpy(labels), lam=lam)
    assert found.item() == pytest.approx(np.mean(per_step))
    weights = np.array([0.1, 0.5, 0.9])
    weighted = tet_loss(torch.from_numpy(logits), torch.from_numpy(labels), weights=torch.from_numpy(weights), lam=lam)
    assert weighted.item() == pytest.approx(np.mean(weights * per_step))


def test_tet_takes_shares_of_classes_for_mixed_recordings() -> None:
    logits = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    first, second = torch.tensor([0, 1, 2, 3]), torch.tensor([4, 4, 0, 3])
    shares = 0.25 * torch.eye(5)[first] + 0.75 * torch.eye(5)[second]
    # Cross-entropy is linear in the target, so the loss of a mixture is the mixture of the losses.
    expected = 0.25 * tet_loss(logits, first) + 0.75 * tet_loss(logits, second)
    assert tet_loss(logits, shares).item() == pytest.approx(expected.item(), rel=1e-5)


def test_without_tet_the_mean_logits_are_classified() -> None:
    logits = torch.tensor([[[2.0, 0.0]], [[0.0, 4.0]]])
    assert mean_logit_loss(logits, torch.tensor([1])).item() == pytest.approx(math.log(1 + math.exp(-1)))


def test_distillation_is_the_divergence_of_softened_outputs_times_tau_squared() -> None:
    rng = np.random.default_rng(3)
    student, teacher, tau = rng.normal(size=(6, 7, 10)), rng.normal(size=(7, 10)), 4.0
    log_q, log_p = log_softmax(student.mean(0) / tau), log_softmax(teacher / tau)
    expected = tau**2 * (np.exp(log_p) * (log_p - log_q)).sum(1).mean()
    found = distillation_loss(torch.from_numpy(student), torch.from_numpy(teacher), temperature=tau)
    assert found.item() == pytest.approx(expected)


def test_a_student_that_equals_its_teacher_has_no_distillation_loss() -> None:
    teacher = torch.randn(7, 10, generator=torch.Generator().manual_seed(0))
    assert distillation_loss(teacher.expand(6, -1, -1), teacher).item() == pytest.approx(0, abs=1e-6)
