"""The gradient of the first convolution's weights, summed while that of what it gave is still in the cache.

What a batch norm passes back to a convolution is a g + b y + c (`ckd.models.block`), g the gradient of the current, y
what the convolution gave, a, b and c the same for all places of a channel. So the products of the inputs with g, with y
and with 1 give the gradient of the weights, and nobody needs that of y where the input needs none.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ckd.events.types import Float
from ckd.models.buffers import empty
from ckd.models.sparse_kernels import Listed, Window
from ckd.models.threads import share
from ckd.models.vectors import add_rows

Float64 = NDArray[np.float64]


class Events(NamedTuple):
    """What is not zero of the input (T * N, H, W, C) of a convolution with stride 1.

    Of channel c in row r of image n what stands from starts[n, r C + c] up to starts[n, r C + c + 1].
    """

    starts: NDArray[np.int64]
    column: NDArray[np.int32]
    value: Float
    height: int
    width: int
    channels: int
    kernel_h: int
    kernel_w: int
    padding: int

    def shape(self, outputs: int) -> tuple[int, ...]:
        """Of the sums for so many channels of the output."""
        return self.kernel_h, self.channels, self.kernel_w, outputs


NO_EVENTS = Events(np.zeros((0, 0), np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), 0, 0, 0, 1, 1, 0)


def events(listed: Listed, size: tuple[int, int, int], window: Window) -> Events:
    """Of images of this size (H, W, C)."""
    assert window.stride == 1
    height, width, channels = size
    starts = np.empty((len(listed.starts), height * channels + 1), np.int64)
    column, value = empty(listed.row.shape, np.int32), empty(listed.value.shape)
    share(_by_row, len(starts), *listed, width, channels, starts, column, value)
    return Events(starts, column, value, *size, window.kernel_h, window.kernel_w, window.padding)


def weight_gradient(given: Events, met: Float64, factors: Float64) -> Float:
    """The gradient (K, C, kernel_h, kernel_w) of the weights.

    Args:
        given: the inputs.
        met: their products with g and with y, (2, *given.shape(K)).
        factors: a, b and c, (3, K).
    """
    there = np.zeros((given.height, given.width, given.channels))
    _presence(given, there)
    total = factors[0] * met[0] + factors[1] * met[1]
    out_h, out_w = (
        size + 2 * given.padding - kernel + 1
        for size, kernel in ((given.height, given.kernel_h), (given.width, given.kernel_w))
    )
    for i in range(given.kernel_h):
        rows = slice(max(0, i - given.padding), max(0, out_h + i - given.padding))
        for j in range(given.kernel_w):
            columns = slice(max(0, j - given.padding), max(0, out_w + j - given.padding))
            total[i, :, j] += there[rows, columns].sum((0, 1))[:, None] * factors[2]
    return np.ascontiguousarray(total.transpose(3, 1, 0, 2), np.float32)


_compile = numba.njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")


@_compile
def _by_row(
    begin, end, starts, row, value, width, channels, sorted_starts, column, number
):  # pragma: no cover (compiled)
    places = np.empty(channels, np.int64)
    for n in range(begin, end):
        for r in range((starts.shape[1] - 1) // width):
            first, last = starts[n, r * width], starts[n, (r + 1) * width]
            places[:] = 0
            for k in range(first, last):
                places[row[k] % channels] += 1
            at = first
            for c in range(channels):
                sorted_starts[n, r * channels + c] = at
                at += places[c]
                places[c] = sorted_starts[n, r * channels + c]
            for k in range(first, last):
                to = places[row[k] % channels]
                column[to], number[to] = row[k] // channels, value[k]
                places[row[k] % channels] += 1
        sorted_starts[n, -1] = starts[n, -1]


@_compile
def _presence(given, there):  # pragma: no cover (compiled)
    """there (H, W, C): the sums over all images."""
    for n in range(given.starts.shape[0]):
        for r in range(given.height):
            for c in range(given.channels):
                at = r * given.channels + c
                for k in range(given.starts[n, at], given.starts[n, at + 1]):
                    there[r, given.column[k], c] += np.float64(given.value[k])


@numba.njit(nogil=True, boundscheck=False, error_model="numpy")
def meet(given, image, i, outputs, beside, totals):  # pragma: no cover (compiled)
    """Adds to totals (2, kernel_h * C * kernel_w * K) the products with row i of the output.

    beside (2, columns * K): g and y there, between kernel_w - 1 columns of zeros.
    """
    to, of = totals.ravel(), beside.ravel()
    for ki in range(given.kernel_h):
        r = i + ki - given.padding
        if r < 0 or r >= given.height:
            continue
        for c in range(given.channels):
            start, stop = given.starts[image, r * given.channels + c], given.starts[image, r * given.channels + c + 1]
            if start == stop:
                continue
            for kj in range(given.kernel_w):
                at = ((ki * given.channels + c) * given.kernel_w + kj) * outputs
                first = (given.padding - kj + given.kernel_w - 1) * outputs
                add_rows(to, at, of, first, given.column, given.value, start, stop, outputs)
                at, first = at + totals.shape[1], first + beside.shape[1]
                add_rows(to, at, of, first, given.column, given.value, start, stop, outputs)
