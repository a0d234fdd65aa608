"""The LIF recurrence compiled for CPUs: one pass over memory where torch takes one per operation.

Arrays are (T, M) float32, contiguous. The arithmetic is that of torch's separate operations, a rounding each
(numba contracts no multiply-add unless told to), so both give the same bits.
"""

import numba
import numpy as np

from ckd.events.types import Float
from ckd.models.buffers import empty
from ckd.models.threads import share

CHUNK = 2048
"""Neurons that are taken through all steps together: their state stays in the first-level cache."""


def forward(current: Float, beta: float, threshold: float) -> tuple[Float, Float]:
    """Spikes and potential before the reset, (T, M) each."""
    spikes, potential = empty(current.shape), empty(current.shape)
    beta32, threshold32 = np.float32(beta), np.float32(threshold)
    share(_forward, current.shape[1], current, beta32, threshold32, spikes, potential, least=8 * CHUNK)
    return spikes, potential


def backward(
    potential: Float, spikes_grad: Float, potential_grad: Float | None, beta: float, threshold: float, alpha: float
) -> Float:
    """Gradient of the current, (T, M); formula in `ckd.models.neuron.FusedLIF`."""
    grad = empty(potential.shape)
    has = potential_grad is not None
    direct = potential_grad if potential_grad is not None else potential[:0]
    constants = (np.float32(beta), np.float32(threshold), np.float32(alpha), np.float32(alpha * alpha))
    share(_backward, potential.shape[1], potential, spikes_grad, direct, has, *constants, grad, least=8 * CHUNK)
    return grad


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _forward(begin, end, current, beta, threshold, spikes, potential):  # pragma: no cover (compiled)
    zero, one = np.float32(0), np.float32(1)
    v = np.empty(CHUNK, np.float32)
    for start in range(begin, end, CHUNK):
        size = min(CHUNK, end - start)
        v[:] = zero
        for t in range(current.shape[0]):
            x = current[t, start : start + size]
            s = spikes[t, start : start + size]
            p = potential[t, start : start + size]
            for i in range(size):
                h = beta * v[i] + x[i]
                fired = h > threshold
                p[i] = h
                s[i] = one if fired else zero
                v[i] = zero if fired else h


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _backward(
    begin, end, potential, spikes_grad, potential_grad, has_direct, beta, threshold, alpha, alpha_squared, grad
):  # pragma: no cover (compiled)
    zero, one = np.float32(0), np.float32(1)
    v_grad = np.empty(CHUNK, np.float32)
    for start in range(begin, end, CHUNK):
        size = min(CHUNK, end - start)
        v_grad[:] = zero
        for t in range(potential.shape[0] - 1, -1, -1):
            p = potential[t, start : start + size]
            ds = spikes_grad[t, start : start + size]
            g = grad[t, start : start + size]
            for i in range(size):
                over = p[i] - threshold
                slope = max(alpha - alpha_squared * abs(over), zero)
                silent = zero if over > zero else one
                g[i] = ds[i] * slope + v_grad[i] * (silent - p[i] * slope)
            if has_direct:
                dh = potential_grad[t, start : start + size]
                for i in range(size):
                    g[i] += dh[i]
            for i in range(size):
                v_grad[i] = beta * g[i]
