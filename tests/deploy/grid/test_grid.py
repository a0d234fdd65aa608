"""The arithmetic of the grid, against plain Python integers and against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy import grid

states = st.integers(-grid.V_MAX, grid.V_MAX)
decays = st.integers(0, 4096)


def _truncated(x: int, bits: int) -> int:
    return abs(x) >> bits if x >= 0 else -(abs(x) >> bits)


@given(states, st.integers(0, 24))
def test_toward_zero_shifts_the_magnitude(x: int, bits: int) -> None:
    assert grid.toward_zero(np.array(x), bits) == _truncated(x, bits)


@given(st.integers(-(2**40), 2**40))
def test_wrap24_is_twos_complement(u: int) -> None:
    expected = int.from_bytes((u & 0xFFFFFF).to_bytes(3, "little"), "little", signed=False)
    assert grid.wrap24(np.array(u)) == (expected - (1 << 24) if expected >> 23 else expected)


@given(states, states, st.integers(-(2**18), 2**18), decays)
def test_a_voltage_step_decays_adds_and_saturates(v: int, u: int, bias: int, dv: int) -> None:
    exact = _truncated(v * (4096 - dv), 12) + u + bias
    assert grid.step_voltage(np.array(v), np.array(u), np.array(bias), np.array(dv)) == max(
        -(2**23 - 1), min(2**23 - 1, exact)
    )


def test_an_immediate_current_forgets_the_step_before() -> None:
    u = grid.wrap24(grid.unwrapped_current(np.array([5000, -5000]), np.array([3, -3]), np.array(grid.DU_IMMEDIATE)))
    assert u.tolist() == [192, -192]


def test_a_decaying_current_keeps_its_share() -> None:
    # 1000 * (4096 - 2048) / 4096 = 500, and 1 << 6 = 64
    assert grid.unwrapped_current(np.array(1000), np.array(1), np.array(2047)) == 564


@pytest.mark.parametrize(
    ("weights", "bits", "expected"),
    [
        ([-300.0, 300.0, 3.2], 8, [-256, 254, 4]),  # mixed signs: even, saturating
        ([0.0, 3.2, 300.0], 8, [0, 3, 255]),  # one sign: step 1
        ([-300.0, -3.2], 8, [-255, -3]),  # Lava clips the magnitude of inhibitory weights to 255
        ([-100.0, 100.0, 9.0], 4, [-96, 96, 0]),  # four bits of mixed sign: steps of 32
    ],
)
def test_weights_round_to_what_a_synapse_holds(weights: list[float], bits: int, expected: list[int]) -> None:
    assert grid.round_weights(np.array(weights), bits).tolist() == expected


def test_rounded_weights_lie_on_the_grid_and_odd_ones_of_mixed_sign_do_not() -> None:
    assert grid.weights_on_grid(np.array([-256, 254, 2]))
    assert not grid.weights_on_grid(np.array([-256, 254, 3]))


def test_a_large_bias_takes_an_exponent() -> None:
    mantissa, exponent = grid.split_bias(np.array([10000.0, -3.0]))
    assert (mantissa.tolist(), exponent) == ([2500, -1], 2)
    assert np.abs(mantissa).max() <= grid.BIAS_MANTISSA_MAX


def test_a_negative_weight_exponent_shifts_arithmetically() -> None:
    assert grid.shift_weighted_sum(np.array([-3, 3]), -1).tolist() == [-2, 1]
    assert grid.shift_weighted_sum(np.array([-3, 3]), 2).tolist() == [-12, 12]
