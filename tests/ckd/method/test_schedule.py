"""Schedules at given iterations, worked out by hand."""

import math

import pytest

from ckd.method.schedule import distillation_weight, learning_rate, replacement_probability, two_stage_probability


@pytest.mark.parametrize(("iteration", "expected"), [(0, 0), (50, 0.125), (80, 0.512), (100, 1), (150, 1)])
def test_replacement_is_the_cube_of_the_share_of_iterations_done(iteration: int, expected: float) -> None:
    assert replacement_probability(iteration, 100, power=3) == pytest.approx(expected)


def test_two_stage_replacement_switches_once() -> None:
    assert [two_stage_probability(iteration, 100) for iteration in (0, 49, 50, 99)] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(0.0, 1 / (1 + math.exp(-15))), (0.5, 0.5), (0.6, 1 / (1 + math.exp(3))), (1.0, 1 / (1 + math.exp(15)))],
)
def test_distillation_weight_falls_steeply_in_the_middle(progress: float, expected: float) -> None:
    assert distillation_weight(progress, center=0.5, steepness=30) == pytest.approx(expected)


def test_phases_are_nearly_one_and_nearly_zero() -> None:
    assert distillation_weight(0.3) > 0.99 and distillation_weight(0.7) < 0.01


def test_the_steepest_distillation_that_is_allowed_switches_off_at_once() -> None:
    weights = [distillation_weight(progress, center=0, steepness=1000) for progress in (0, 0.1, 1)]
    assert weights == pytest.approx([0.5, 0, 0])


def test_learning_rate_warms_up_linearly_and_falls_as_half_a_cosine() -> None:
    rates = [learning_rate(iteration, 110, peak=1.0, warmup=10) for iteration in (0, 4, 9, 10, 60, 110)]
    assert rates == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.5, 0.0])
