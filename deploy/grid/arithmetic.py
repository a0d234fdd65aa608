"""The integer arithmetic of a Loihi neuron and synapse, written once. The quantizer and every simulator use it.

Read from lava-nc 0.10.0 (`lava/proc/lif/models.py`, `dense/models.py`, `lava/utils/weightutils.py`) and run against
it. A step of a neuron, all integers:

    u = tz(u * (4096 - (du + 1)), 12) + (a << 6)      wraps at 24 bits
    v = clip(tz(v * (4096 - dv), 12) + u + bias)      saturates at +-(2^23 - 1)
    spike = v > (vth << 6),  v = 0 where spike        u is kept

`tz` shifts the magnitude to the right, so it rounds toward zero for both signs. `a` is the sum of weights over the
spikes that arrived. du = 4095 makes the current immediate: u = a << 6.

Every function takes and returns integer arrays of any shape.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

DECAY_BITS = 12
DECAY_ONE = 1 << DECAY_BITS
"""A decay of 4096 / 4096: everything is forgotten in one step."""

STATE_BITS = 6
"""Synaptic sums and thresholds are shifted left by this before they meet the state."""

DU_IMMEDIATE = DECAY_ONE - 1
"""The current decay with which u holds this step's input alone."""

V_MAX = (1 << 23) - 1
U_WRAP = 1 << 24
VTH_MAX = (1 << 17) - 1
UNREACHABLE = 1 << 17
"""A threshold above V_MAX once it is shifted by 6: for readouts on simulators that know none."""

BIAS_MANTISSA_MAX = (1 << 12) - 1
BIAS_EXPONENT_MAX = 7
WEIGHT_BITS = 8
FLOAT32_EXACT = 1 << 24
"""Sums of integers below this are exact in float32, whatever the order of summation."""

IntArray = NDArray[np.int64]
Ints = TypeVar("Ints", bound=Any)
"""An int64 numpy array or an int64 torch tensor: the arithmetic below is the same for both."""


def toward_zero(x: Ints, bits: int) -> Ints:
    """sign(x) * (|x| >> bits)."""
    # An arithmetic shift rounds down; adding 2^bits - 1 to negative numbers first turns that into up.
    return (x + ((x >> 63) & ((1 << bits) - 1))) >> bits


def wrap24(u: Ints) -> Ints:
    """Two's complement at 24 bits: ((u + 2^23) mod 2^24) - 2^23."""
    return ((u + U_WRAP // 2) & (U_WRAP - 1)) - U_WRAP // 2


def saturate(v: Ints) -> Ints:
    """clip(v, +-(2^23 - 1))."""
    return v.clip(-V_MAX, V_MAX)


def unwrapped_current(u: Ints, a: Ints, du: Ints) -> Ints:
    """tz(u * (4096 - (du + 1)), 12) + (a << 6): the current before it wraps."""
    return toward_zero(u * (DECAY_ONE - 1 - du), DECAY_BITS) + (a << STATE_BITS)


def unsaturated_voltage(v: Ints, u: Ints, bias: Ints, dv: Ints) -> Ints:
    """tz(v * (4096 - dv), 12) + u + bias: the potential before it saturates."""
    return toward_zero(v * (DECAY_ONE - dv), DECAY_BITS) + u + bias


def step_voltage(v: Ints, u: Ints, bias: Ints, dv: Ints) -> Ints:
    """The potential after a step, before the spike."""
    return saturate(unsaturated_voltage(v, u, bias, dv))


def shift_weighted_sum(a: Ints, weight_exp: int) -> Ints:
    """The accumulated sum times 2^weight_exp; a negative exponent is an arithmetic shift to the right."""
    return a << weight_exp if weight_exp >= 0 else a >> -weight_exp


def weight_step(low: float, high: float, bits: int = WEIGHT_BITS) -> int:
    """The distance between neighboring weights of a layer that spans [low, high].

    A layer of mixed sign spends one bit on the sign: eight bits give the EVEN values from -256 to 254. A layer of
    one sign keeps step 1 (-255..0 or 0..255). Fewer bits drop further low bits.
    """
    mixed = low < 0 < high
    return 1 << (WEIGHT_BITS - bits + (1 if mixed else 0))


def weight_range(low: float, high: float, bits: int = WEIGHT_BITS) -> tuple[int, int]:
    """Smallest and largest weight on the grid for a layer that spans [low, high]."""
    step = weight_step(low, high, bits)
    largest = 255 // step * step
    if low < 0 < high:
        return -256, largest
    return (-largest if low < 0 else 0), (largest if high > 0 else 0)


def round_weights(weight: NDArray[Any], bits: int = WEIGHT_BITS) -> IntArray:
    """The nearest weights on the grid; halves to even. Values beyond the range saturate (see `weight_range`)."""
    low, high = float(weight.min()), float(weight.max())
    step = weight_step(low, high, bits)
    return np.clip(np.rint(weight / step) * step, *weight_range(low, high, bits)).astype(np.int64)


def weights_on_grid(weight: NDArray[Any], bits: int = WEIGHT_BITS) -> bool:
    """Whether every weight is an integer that the synapse can hold without losing bits."""
    return bool(np.array_equal(round_weights(weight, bits), weight))


def split_bias(bias: NDArray[Any]) -> tuple[IntArray, int]:
    """The nearest bias that the chip holds: mantissa << exponent, one exponent for the layer.

    Returns:
        the mantissas (13 bits signed) and the exponent (3 bits).
    """
    largest = float(np.abs(bias).max(initial=0.0))
    exponent = 0
    while np.rint(largest / (1 << exponent)) > BIAS_MANTISSA_MAX and exponent < BIAS_EXPONENT_MAX:
        exponent += 1
    mantissa = np.clip(np.rint(bias / (1 << exponent)), -BIAS_MANTISSA_MAX - 1, BIAS_MANTISSA_MAX)
    return mantissa.astype(np.int64), exponent
