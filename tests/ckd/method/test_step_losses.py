"""The losses between steps against plain numpy, one step and one sample at a time."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ckd.method.losses import distillation_loss
from ckd.method.step_losses import ensemble_loss, error_aware_distillation, selective_alignment, step_distillation

Floats = NDArray[np.float64]
TAU = 3.0


def softmax(logits: Floats) -> Floats:
    return np.exp(logits) / np.exp(logits).sum()


def divergence(teacher: Floats, student: Floats, tau: float = TAU) -> float:
    """tau^2 KL(teacher || student) of two vectors of logits."""
    p, q = softmax(teacher / tau), softmax(student / tau)
    return float(tau**2 * (p * np.log(p / q)).sum())


def drawn(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(scale=2, size=shape)


def test_every_step_learns_from_the_teacher() -> None:
    student, teacher = drawn(5, 4, 6), drawn(4, 6, seed=1)
    expected = np.mean([divergence(teacher[n], student[t, n]) for t in range(5) for n in range(4)])
    found = step_distillation(torch.from_numpy(student), torch.from_numpy(teacher), temperature=TAU)
    assert found.item() == pytest.approx(expected)  # float64, the same sums in another order


def test_the_loss_of_the_steps_is_no_less_than_that_of_their_mean() -> None:
    """The divergence is convex in the student's logits, so decoupled distillation bounds the usual one [TKD]."""
    student, teacher = torch.from_numpy(drawn(5, 4, 6)), torch.from_numpy(drawn(4, 6, seed=1))
    of_steps, of_mean = (f(student, teacher, temperature=TAU) for f in (step_distillation, distillation_loss))
    assert of_steps > of_mean > 0


def test_every_step_learns_from_the_mean_of_all_which_is_held_fixed() -> None:
    logits = drawn(5, 4, 6)
    mean = logits.mean(0)
    expected = np.mean([divergence(mean[n], logits[t, n]) for t in range(5) for n in range(4)])
    given = torch.from_numpy(logits).requires_grad_()
    loss = ensemble_loss(given, temperature=TAU)
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    # The gradient of tau^2 KL in the student's logits is tau (q - p); a moving mean would add to it.
    gradients = [[TAU * (softmax(x / TAU) - softmax(m / TAU)) / 20 for x, m in zip(step, mean, strict=True)]
                 for step in logits]  # fmt: skip
    assert given.grad is not None
    np.testing.assert_allclose(given.grad.numpy(), gradients, atol=1e-12)


def test_error_aware_logits_leave_the_confused_pair_out() -> None:
    student, teacher = drawn(5, 4, 6), drawn(4, 6, seed=1)
    labels = np.array([0, 3, 2, 5])
    terms, wrong = [], 0
    for t in range(5):
        for n, label in enumerate(labels):
            s, taught = student[t, n].copy(), teacher[n].copy()
            guess = int(s.argmax())
            if guess != label:
                wrong += 1
                s[guess] = s[label]
                taught[[guess, label]] = min(taught[guess], taught[label])
            terms.append(divergence(taught, s))
    assert 0 < wrong < 20, "both cases have to occur"
    given = [torch.from_numpy(each) for each in (student, teacher, labels)]
    assert error_aware_distillation(*given, temperature=TAU).item() == pytest.approx(np.mean(terms))


def test_a_student_that_is_right_at_every_step_is_taught_as_by_step_distillation() -> None:
    student, teacher = torch.from_numpy(drawn(5, 4, 6)), torch.from_numpy(drawn(4, 6, seed=1))
    labels = torch.tensor([0, 3, 2, 5])
    student[:, torch.arange(4), labels] += 20
    assert error_aware_distillation(student, teacher, labels).item() == step_distillation(student, teacher).item()


def test_selective_alignment_weighs_the_other_steps_by_confidence_and_likeness() -> None:
    logits = drawn(4, 3, 6)
    terms = []
    for n in range(3):
        sure = [1 + (softmax(o) * np.log(softmax(o))).sum() / math.log(6) for o in logits[:, n]]
        for t in range(4):
            others = [s for s in range(4) if s != t]
            alike = [
                logits[t, n] @ logits[s, n] / np.linalg.norm(logits[t, n]) / np.linalg.norm(logits[s, n])
                for s in others
            ]
            weights = softmax(np.array([sure[s] * c for s, c in zip(others, alike, strict=True)]))
            target = sum(w * logits[s, n] for w, s in zip(weights, others, strict=True))
            terms.append(divergence(np.asarray(target), logits[t, n]))
    assert selective_alignment(torch.from_numpy(logits), temperature=TAU).item() == pytest.approx(np.mean(terms))


def test_selective_alignment_of_one_step_is_zero_and_has_a_gradient() -> None:
    logits = torch.from_numpy(drawn(1, 3, 6)).requires_grad_()
    loss = selective_alignment(logits)
    loss.backward()
    assert loss.item() == 0 and logits.grad is not None
