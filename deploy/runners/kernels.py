"""Compiled inner loops of the integer simulator. Arrays are channel last, so that a spike adds one contiguous row.

A dense layer is a convolution of a 1 x 1 image: everything here is one kind of synapse.

Sums are int32. That is exact: u wraps at 24 bits, and 2^24 divides the 2^32 at which int32 wraps. (The one operation
that does not commute with wrapping, a right shift of the sum, is only compiled in where `Synapse` has proven a bound.)
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from deploy.grid import DECAY_ONE, STATE_BITS, U_WRAP, V_MAX

Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]

_compile = numba.njit(cache=True, nogil=True, boundscheck=False)
_compile_parallel = numba.njit(cache=True, nogil=True, boundscheck=False, parallel=True)


class Geometry(NamedTuple):
    """Sizes of a convolution; `groups` splits the channels."""

    in_height: int
    in_width: int
    in_channels: int
    out_height: int
    out_width: int
    out_channels: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    padding_h: int
    padding_w: int
    dilation_h: int
    dilation_w: int
    groups: int


class Cells(NamedTuple):
    """Parameters of a layer's neurons, each (n,) int32. `spiking` is False for a readout, which only accumulates."""

    du: Int32
    dv: Int32
    threshold: Int32
    bias: Int32
    spiking: bool
    immediate: bool


@_compile
def _scatter(x: UInt8, weight: Int32, g: Geometry, total: Int32) -> None:
    """total (out_h, out_w, out_c) += the rows of weight (in_c, kernel_h, kernel_w, out_c / groups) of every spike."""
    width = g.out_channels // g.groups
    per_group = g.in_channels // g.groups
    for i in range(g.in_height):
        for j in range(g.in_width):
            for c in range(g.in_channels):
                count = np.int32(x[(i * g.in_width + j) * g.in_channels + c])
                if count == 0:
                    continue
                first = (c // per_group) * width
                for ki in range(g.kernel_h):
                    row = i + g.padding_h - ki * g.dilation_h
                    if row < 0 or row % g.stride_h != 0 or row // g.stride_h >= g.out_height:
                        continue
                    for kj in range(g.kernel_w):
                        column = j + g.padding_w - kj * g.dilation_w
                        if column < 0 or column % g.stride_w != 0 or column // g.stride_w >= g.out_width:
                            continue
                        at = ((row // g.stride_h) * g.out_width + column // g.stride_w) * g.out_channels + first
                        w = weight[c, ki, kj]
                        for o in range(width):
                            total[at + o] += count * w[o]


@_compile_parallel
def weighted_sums(x: UInt8, weight: Int32, g: Geometry, exponent: int, out: Int32) -> None:
    """out (R, T, n) += the synaptic sums of x (R, T, m), times 2^exponent."""
    for r in numba.prange(x.shape[0]):
        total = np.empty(out.shape[2], np.int32)
        for t in range(x.shape[1]):
            total[:] = 0
            _scatter(x[r, t], weight, g, total)
            for n in range(total.size):
                out[r, t, n] += total[n] << exponent if exponent >= 0 else total[n] >> -exponent


@_compile
def _update(a: Int32, cells: Cells, u: Int32, v: Int32, spikes: UInt8) -> tuple[int, int]:
    """One step of every neuron (`deploy.grid`); returns how often u wrapped and v saturated.

    The products need 36 bits: float64 holds them exactly, and its conversion to an integer truncates toward zero.
    """
    wrapped, saturated = 0, 0
    for n in range(a.size):
        current = np.int64(a[n]) << STATE_BITS
        if not cells.immediate:
            current += np.int64(u[n] * ((DECAY_ONE - 1 - cells.du[n]) / DECAY_ONE))
        inside = (current + U_WRAP // 2) % U_WRAP - U_WRAP // 2
        wrapped += inside != current
        potential = np.int64(v[n] * ((DECAY_ONE - cells.dv[n]) / DECAY_ONE)) + inside + cells.bias[n]
        clipped = min(max(potential, -V_MAX), V_MAX)
        saturated += clipped != potential
        spike = cells.spiking and clipped > cells.threshold[n]
        u[n] = inside
        v[n] = 0 if spike else clipped
        spikes[n] = spike
    return wrapped, saturated


@_compile_parallel
def neurons(
    a: Int32,
    cells: Cells,
    u: Int32,
    v: Int32,
    spikes: UInt8,
    u_out: Int32,
    v_out: Int32,
    overflow: NDArray[np.int64],
) -> None:
    """Step neurons through sums a (R, T, n), from and to the state u, v (R, n).

    Writes spikes (R, T, n); u_out and v_out (R, T, n), the state after each step, unless they are empty; and adds to
    overflow (R, 2) how often u wrapped and v saturated.
    """
    for r in numba.prange(a.shape[0]):
        for t in range(a.shape[1]):
            wrapped, saturated = _update(a[r, t], cells, u[r], v[r], spikes[r, t])
            overflow[r, 0] += wrapped
            overflow[r, 1] += saturated
            if v_out.size:
                u_out[r, t] = u[r]
                v_out[r, t] = v[r]
