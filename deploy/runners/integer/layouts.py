"""Loops over whole arrays, for both runners: pooling, and channels brought innermost and back."""

from math import prod
from typing import Any

import numba
import numpy as np

from deploy.network import Array
from deploy.runners.integer.threads import for_slices
from deploy.runners.integer.vectors import view

_compile = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")


@_compile
def sum_windows(x: Array, kernel: Any, stride: Any, padding: Any, out: Array) -> None:
    """out (R, T, H', W', C) = the sums over windows of x (R, T, H, W, C) uint8, in a type that holds them."""
    recordings, steps, height, width, channels = x.shape
    out[:] = 0
    for step in range(recordings * steps):
        for i in range(out.shape[2]):
            top = i * stride[0] - padding[0]
            for j in range(out.shape[3]):
                left = j * stride[1] - padding[1]
                total = view(out, ((step * out.shape[2] + i) * out.shape[3] + j) * channels, channels)
                for row in range(max(top, 0), min(top + kernel[0], height)):
                    for column in range(max(left, 0), min(left + kernel[1], width)):
                        seen = view(x, ((step * height + row) * width + column) * channels, channels)
                        for c in range(channels):
                            total[c] += seen[c]


def channel_last(x: Array) -> Array:
    """(R, T, C, ...) to (R, T, ..., C), contiguous."""
    return np.ascontiguousarray(np.moveaxis(x, 2, -1))


def channel_first(x: Array) -> Array:
    """(R, T, ..., C) to (R, T, C, ...), a view."""
    return np.moveaxis(x, -1, 2)


def counts_channel_last(counts: Array) -> Array:
    """`channel_last` of contiguous uint8, on all threads."""
    recordings, steps, channels, *size = counts.shape
    if not size:
        return counts
    planes = counts.reshape(recordings, steps, channels, prod(size))
    out = np.empty((recordings, steps, prod(size), channels), np.uint8)
    for_slices(lambda r: _channels_last(planes[r], out[r]), recordings)
    return out.reshape(recordings, steps, *size, channels)


@_compile
def channels_first(x: Array, out: Array) -> None:
    """out (R, T, C, places) = x (R, T, places, C), both uint8."""
    recordings, steps, places, channels = x.shape
    for step in range(recordings * steps):
        of = view(x, step * channels * places, channels * places)
        for c in range(channels):
            to = view(out, (step * channels + c) * places, places)
            for place in range(places):
                to[place] = of[place * channels + c]


@_compile
def _channels_last(x: Array, out: Array) -> None:
    """out (R, T, places, C) = x (R, T, C, places), both uint8."""
    recordings, steps, channels, places = x.shape
    for step in range(recordings * steps):
        of, to = (
            view(x, step * channels * places, channels * places),
            view(out, step * channels * places, channels * places),
        )
        if channels == 2:
            # Two polarities: written so that the compiler weaves them together in vector registers.
            on, off = view(of, 0, places), view(of, places, places)
            for place in range(places):
                to[2 * place] = on[place]
                to[2 * place + 1] = off[place]
            continue
        for place in range(places):
            for c in range(channels):
                to[place * channels + c] = of[c * places + place]
