"""Batch norm, LIF and average pooling in one pass over memory, compiled for CPUs.

All that a layer of the student keeps is what the convolution gave, y (T, N, H, W, C) float32; currents, potentials and
spikes live in the cache and are made again on the way back. What crosses memory, not what is computed, is what these
layers cost.

Sums over places and steps are made recording by recording, within one in the order of places, and then over the
recordings in their order: neither the number of threads nor the machine's load changes a bit.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ckd.events.types import Float
from ckd.models.buffers import empty
from ckd.models.input_kernels import NO_EVENTS, Events, meet
from ckd.models.threads import share

CHUNK = 2048
"""Neurons of a row of the image that are taken through all steps together, about."""

Float64 = NDArray[np.float64]


class Neurons(NamedTuple):
    """What is the same for all neurons, as float32, and whether windows of 2 x 2 are averaged."""

    beta: np.float32
    threshold: np.float32
    alpha: np.float32
    pooled: bool


def statistics(y: Float) -> tuple[Float64, Float64]:
    """Mean and (biased) variance of every channel, (C,) each."""
    parts = np.zeros((y.shape[1], 2, y.shape[4]), np.float64)
    share(_moments, y.shape[1], y, parts)
    total = parts.sum(axis=0) / (y.size // y.shape[4])
    return total[0], np.maximum(total[1] - total[0] ** 2, 0)


def forward(y: Float, scale: Float, shift: Float, neurons: Neurons, keep: bool) -> tuple[Float, Float | None]:
    """Spikes (T, N, H, W, C) of 0 and 1, or their averages over windows of 2 x 2, of currents scale y + shift.

    Args:
        y: (T, N, H, W, C).
        scale, shift: (C,).
        neurons: their constants.
        keep: whether the potential before the reset (T, N, H, W, C) is returned too.
    """
    height, width = y.shape[2:4]
    size = (height // 2, width // 2) if neurons.pooled else (height, width)
    out = empty((*y.shape[:2], *size, y.shape[4]))
    potential = empty(y.shape if keep else (0,) * 5)
    share(_forward, y.shape[1], y, scale, shift, neurons, out, potential)
    return out, potential if keep else None


def sums(
    y: Float, scale: Float, shift: Float, neurons: Neurons, ds: Float, dh: Float | None, events: Events | None = None
) -> tuple[Float64, Float64, Float64]:
    """Over all steps and places, the sums of the current's gradient g and of g y, (C,) each; and products with inputs.

    Args:
        y, scale, shift, neurons: as in `forward`.
        ds: gradient of what `forward` returned.
        dh: gradient of the potential (T, N, H, W, C), None for zero.
        events: what the convolution was made of that gave y; their products with g and with y are the third result,
            (2, *events.shape(C)), else empty.
    """
    channels, none = y.shape[4], np.empty((0,) * 5, np.float32)
    given = NO_EVENTS if events is None else events
    parts = np.zeros((y.shape[1], 2, channels), np.float64)
    met = np.zeros((y.shape[1], 2, 0 if events is None else int(np.prod(events.shape(channels)))), np.float64)
    factors, direct = np.zeros((2, channels), np.float32), none if dh is None else dh
    share(_backward, y.shape[1], y, scale, shift, neurons, ds, direct, factors, none, parts, given, met)
    total, shape = parts.sum(axis=0), () if events is None else events.shape(channels)
    return total[0], total[1], met.sum(axis=0).reshape(2, *shape) if shape else met[0]


def backward(
    y: Float, scale: Float, shift: Float, neurons: Neurons, ds: Float, dh: Float | None, factors: Float
) -> Float:
    """The gradient of y: scale g + factors[0] y + factors[1], with g as in `sums`; factors (2, C)."""
    dy, parts, met = empty(y.shape), np.zeros((0, 2, y.shape[4]), np.float64), np.zeros((0, 2, 0), np.float64)
    direct = np.empty((0,) * 5, np.float32) if dh is None else dh
    share(_backward, y.shape[1], y, scale, shift, neurons, ds, direct, factors, dy, parts, NO_EVENTS, met)
    return dy


_compile = numba.njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")
_inline = numba.njit(nogil=True, boundscheck=False, error_model="numpy")


@_compile
def _moments(begin, end, y, parts):  # pragma: no cover (compiled)
    channels = y.shape[4]
    for n in range(begin, end):
        total, squares = parts[n, 0], parts[n, 1]
        for t in range(y.shape[0]):
            for i in range(y.shape[2]):
                row = y[t, n, i]
                for j in range(y.shape[3]):
                    place = row[j]
                    for c in range(channels):
                        value = np.float64(place[c])
                        total[c] += value
                        squares[c] += value * value


@_inline
def _tiled(of, places):
    """`of` (C,), once for every place."""
    out = np.empty(places * of.size, np.float32)
    for k in range(out.size):
        out[k] = of[k % of.size]
    return out


@_inline
def _columns(y, pooled):
    """How many places of a row are taken together: all of it if it is short, and an even number for pooling."""
    columns = max(1, min(y.shape[3], CHUNK // y.shape[4]))
    return max(2, columns // 2 * 2) if pooled else columns


@_inline
def _fire(row, scale, shift, beta, threshold, v, h):
    """A step of the neurons of a row: the potential before the reset in h, after it in v."""
    zero = np.float32(0)
    for k in range(row.size):
        h[k] = beta * v[k] + (scale[k] * row[k] + shift[k])
        v[k] = zero if h[k] > threshold else h[k]


@_compile
def _forward(begin, end, y, scale, shift, neurons, out, potential):  # pragma: no cover (compiled)
    steps, _, height, width, channels = y.shape
    threshold, columns, rows = neurons.threshold, _columns(y, neurons.pooled), 2 if neurons.pooled else 1
    scales, shifts = _tiled(scale, columns), _tiled(shift, columns)
    v, h = np.empty((rows, columns * channels), np.float32), np.empty((rows, columns * channels), np.float32)
    zero, one, quarter = np.float32(0), np.float32(1), np.float32(0.25)
    for n in range(begin, end):
        for i in range(0, height, rows):
            for first in range(0, width, columns):
                count = min(columns, width - first)
                size = count * channels
                v[:] = zero
                for t in range(steps):
                    for k in range(rows):
                        row = y[t, n, i + k, first : first + count].reshape(size)
                        _fire(row, scales, shifts, neurons.beta, threshold, v[k], h[k])
                        if potential.size:
                            potential[t, n, i + k, first : first + count].reshape(size)[:] = h[k, :size]
                    if not neurons.pooled:
                        to, of = out[t, n, i, first : first + count].reshape(size), h[0]
                        for k in range(size):
                            to[k] = one if of[k] > threshold else zero
                        continue
                    upper, lower = h[0], h[1]
                    for j in range(count // 2):
                        to, at = out[t, n, i // 2, first // 2 + j], 2 * j * channels
                        for c in range(channels):
                            beside = at + channels + c
                            fired = np.float32(upper[at + c] > threshold) + np.float32(upper[beside] > threshold)
                            fired += np.float32(lower[at + c] > threshold) + np.float32(lower[beside] > threshold)
                            to[c] = fired * quarter


@_compile
def _backward(
    begin, end, y, scale, shift, neurons, ds, dh, factors, dy, parts, events, met
):  # pragma: no cover (compiled)
    """Adds sums to `parts` and products to `met` unless they are empty, and writes dy unless that is."""
    steps, _, height, width, channels = y.shape
    # With events a row is taken whole, as they are.
    threshold, columns = neurons.threshold, width if met.size else _columns(y, neurons.pooled)
    beta, alpha, squared = neurons.beta, neurons.alpha, neurons.alpha * neurons.alpha
    scales, shifts = _tiled(scale, columns), _tiled(shift, columns)
    of_y, constant = _tiled(factors[0], columns), _tiled(factors[1], columns)
    v, arriving = np.empty(columns * channels, np.float32), np.empty(columns * channels, np.float32)
    h = np.empty((steps, columns * channels), np.float32)
    margin = (events.kernel_w - 1) * channels
    beside = np.zeros((2, columns * channels + 2 * margin), np.float32)
    g, totals = beside[0, margin : margin + columns * channels], np.empty((2, met.shape[2]), np.float32)
    total, product = np.empty(columns * channels, np.float32), np.empty(columns * channels, np.float32)
    zero, one, quarter = np.float32(0), np.float32(1), np.float32(0.25)
    for n in range(begin, end):
        for i in range(height):
            for first in range(0, width, columns):
                count = min(columns, width - first)
                size = count * channels
                v[:], total[:], product[:] = zero, zero, zero
                if met.size:
                    beside[:], totals[:] = zero, zero
                for t in range(steps):
                    _fire(y[t, n, i, first : first + count].reshape(size), scales, shifts, beta, threshold, v, h[t])
                v[:] = zero
                for t in range(steps - 1, -1, -1):
                    if neurons.pooled:
                        for j in range(count):
                            of, to = ds[t, n, i // 2, (first + j) // 2], arriving[j * channels : (j + 1) * channels]
                            for c in range(channels):
                                to[c] = of[c] * quarter
                        d = arriving
                    else:
                        d = ds[t, n, i, first : first + count].reshape(size)
                    potential = h[t]
                    for k in range(size):
                        over = potential[k] - threshold
                        slope = alpha - squared * abs(over)
                        slope = slope if slope > zero else zero
                        silent = zero if over > zero else one
                        g[k] = d[k] * slope + v[k] * (silent - potential[k] * slope)
                    if dh.size:
                        more = dh[t, n, i, first : first + count].reshape(size)
                        for k in range(size):
                            g[k] += more[k]
                    for k in range(size):
                        v[k] = beta * g[k]
                    row = y[t, n, i, first : first + count].reshape(size)
                    if parts.size:
                        for k in range(size):
                            total[k] += g[k]
                            product[k] += g[k] * row[k]
                    if met.size:
                        beside[1, margin : margin + size] = row
                        meet(events, t * y.shape[1] + n, i, channels, beside, totals)
                    if dy.size:
                        to = dy[t, n, i, first : first + count].reshape(size)
                        for k in range(size):
                            to[k] = scales[k] * g[k] + (of_y[k] * row[k] + constant[k])
                if met.size:
                    for k in range(totals.shape[1]):
                        met[n, 0, k] += np.float64(totals[0, k])
                        met[n, 1, k] += np.float64(totals[1, k])
                if parts.size:
                    for j in range(count):
                        for c in range(channels):
                            parts[n, 0, c] += np.float64(total[j * channels + c])
                            parts[n, 1, c] += np.float64(product[j * channels + c])
