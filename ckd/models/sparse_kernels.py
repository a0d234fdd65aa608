"""Convolutions of images that are mostly zero, compiled for CPUs: only what is there is multiplied.

Images are (N, H, W, C) float32. A sum goes over what is not zero, by row, column and channel for an output, by image
and place for a weight; every product and sum is rounded to float32. Threads share images or weights, never a sum: so
their number changes no bit.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ckd.events.types import Float
from ckd.models.buffers import empty
from ckd.models.threads import share
from ckd.models.vectors import LANES, add_rows

BLOCK_BYTES = 600_000
"""Of weights that are used together: they should stay in the second-level cache."""

TOGETHER = 16
"""Images whose sums are made one after the other before they join those of the others, which keeps rounding small."""


class Listed(NamedTuple):
    """What is not zero of (N, H, W, C): of place p of image n what stands from starts[n, p] up to starts[n, p + 1].

    row: column * channels + channel. value: the number.
    """

    starts: NDArray[np.int64]
    row: NDArray[np.int32]
    value: Float


class Window(NamedTuple):
    """Geometry of a convolution, the same in both directions."""

    kernel_h: int
    kernel_w: int
    stride: int
    padding: int


def lanes_of(outputs: int, rows: int) -> int:
    """How many outputs are summed side by side, given how many rows of weights there are; 0: it cannot be done."""
    fitting = [lanes for lanes in LANES if outputs % lanes == 0]
    small = [lanes for lanes in fitting if rows * lanes * 4 <= BLOCK_BYTES]
    return (small or fitting[-1:] or [0])[0]


def list_images(x: Float) -> Listed:
    """What is not zero."""
    images, height, width, _ = x.shape
    starts = np.zeros((images, height * width + 1), np.int64)
    counts = np.zeros(images, np.int64)
    share(_count, images, x, counts)
    np.cumsum(counts, out=counts)
    starts[:, -1] = counts
    starts[1:, 0] = counts[:-1]
    row, value = empty((counts[-1] + 1,), np.int32), empty((counts[-1] + 1,))
    share(_list, images, x, starts, row, value)
    return Listed(starts, row, value)


def convolve(x: Float, listed: Listed, weight: Float, window: Window) -> Float:
    """The convolution (N, H', W', K) of images x with weight (kernel_h, kernel_w, C, K); K a multiple of 16."""
    rows, outputs = weight.size // weight.shape[3], weight.shape[3]
    lanes = lanes_of(outputs, rows)
    blocks = np.ascontiguousarray(weight.reshape(rows, outputs // lanes, lanes).transpose(1, 0, 2))
    size = [
        (n + 2 * window.padding - k) // window.stride + 1 for n, k in zip(x.shape[1:3], weight.shape[:2], strict=True)
    ]
    out = empty((len(x), *size, outputs))
    share(_convolve, len(x), *listed, blocks, x.shape[1], x.shape[2], x.shape[3], window, out)
    return out


def weight_gradient(shape: tuple[int, ...], listed: Listed, dy: Float, window: Window) -> Float:
    """The gradient (kernel_h, kernel_w, C, K) of the weight, given that of the output (N, H', W', K); stride 1.

    Args:
        shape: of the images that were listed, (N, C, H, W).
        listed: what of them is not zero.
        dy: the gradient of the output.
        window: the geometry.
    """
    images, channels, height, width = shape
    margin = (window.kernel_h - 1 - window.padding, window.kernel_w - 1 - window.padding)
    size = (height + window.kernel_h - 1, width + window.kernel_w - 1)
    rows = window.kernel_h * window.kernel_w * channels
    lanes = lanes_of(dy.shape[3], rows + size[0] * size[1])
    starts = np.empty((images, channels + 1), np.int64)
    place, value = empty(listed.row.shape, np.int32), empty(listed.value.shape)
    share(_by_channel, images, *listed, width, channels, size[1], starts, place, value)
    blocks = dy.shape[3] // lanes
    out = np.zeros((blocks, window.kernel_h, window.kernel_w, channels, lanes), np.float32)
    share(_weigh, channels, starts, place, value, dy, margin, lanes, size, out)
    return np.ascontiguousarray(out.transpose(1, 2, 3, 0, 4)).reshape(*out.shape[1:4], -1)


_compile = numba.njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")


@_compile
def _count(begin, end, x, counts):  # pragma: no cover (compiled)
    zero = np.float32(0)
    for n in range(begin, end):
        image, total = x[n].ravel(), 0
        for k in range(image.size):
            total += image[k] != zero
        counts[n] = total


@_compile
def _list(begin, end, x, starts, row, value):  # pragma: no cover (compiled)
    _, height, width, channels = x.shape
    for n in range(begin, end):
        image, k = x[n].ravel(), starts[n, 0]
        stop = starts[n, height * width]
        for place in range(height * width):
            starts[n, place] = k
            first, at = place % width * channels, place * channels
            for c in range(channels):
                if k < stop:
                    # Written in any case, kept where it counts: a jump that nobody can foresee costs more.
                    row[k], value[k] = first + c, image[at + c]
                    k += image[at + c] != np.float32(0)


@_compile
def _convolve(
    begin, end, starts, row, value, blocks, height, width, channels, window, out
):  # pragma: no cover (compiled)
    lanes, rows = blocks.shape[2], blocks.shape[1]
    weight, total = blocks.ravel(), np.empty(lanes, np.float32)
    for b in range(blocks.shape[0]):
        for n in range(begin, end):
            begins = starts[n]
            for i in range(out.shape[1]):
                top = i * window.stride - window.padding
                for j in range(out.shape[2]):
                    left = j * window.stride - window.padding
                    low, high = max(left, 0), min(left + window.kernel_w, width)
                    total[:] = np.float32(0)
                    for ki in range(max(0, -top), min(window.kernel_h, height - top)):
                        at = (top + ki) * width
                        start, stop = begins[at + low], begins[at + high]
                        if start < stop:
                            first = b * rows + (ki * window.kernel_w - left) * channels
                            add_rows(total, 0, weight, first * lanes, row, value, start, stop, lanes)
                    to = out[n, i, j]
                    for c in range(lanes):
                        to[b * lanes + c] = total[c]


@_compile
def _by_channel(
    begin, end, starts, row, value, width, channels, line, sorted_starts, place, number
):  # pragma: no cover (compiled)
    """The same lists, of channel c of image n from sorted_starts[n, c] on, with the place in rows of `line` places."""
    counts = np.empty(channels, np.int64)
    for n in range(begin, end):
        counts[:] = 0
        for k in range(starts[n, 0], starts[n, -1]):
            counts[row[k] % channels] += 1
        at = starts[n, 0]
        for c in range(channels):
            sorted_starts[n, c] = at
            at += counts[c]
            counts[c] = sorted_starts[n, c]
        sorted_starts[n, channels] = at
        for p in range(starts.shape[1] - 1):
            for k in range(starts[n, p], starts[n, p + 1]):
                to = counts[row[k] % channels]
                place[to], number[to] = p // width * line + p % width, value[k]
                counts[row[k] % channels] += 1


@_compile
def _weigh(begin, end, starts, place, value, dy, margin, lanes, size, out):  # pragma: no cover (compiled)
    """out (blocks, kernel_h, kernel_w, C, lanes), of the channels [begin, end): the gradient of the weights."""
    blocks, kernel_h, kernel_w = out.shape[:3]
    images, height, width, _ = dy.shape
    padded = np.zeros((size[0], size[1], lanes), np.float32)
    part = np.zeros((kernel_h, kernel_w, end - begin, lanes), np.float32)
    flat, sums = padded.ravel(), part.ravel()
    for b in range(blocks):
        for n in range(images):
            for i in range(height):
                for j in range(width):
                    to, of = padded[i + margin[0], j + margin[1]], dy[n, i, j, b * lanes : (b + 1) * lanes]
                    for k in range(lanes):
                        to[k] = of[k]
            for c in range(begin, end):
                start, stop = starts[n, c], starts[n, c + 1]
                if start == stop:
                    continue
                for ki in range(kernel_h):
                    for kj in range(kernel_w):
                        first = ((kernel_h - 1 - ki) * size[1] + kernel_w - 1 - kj) * lanes
                        at = ((ki * kernel_w + kj) * (end - begin) + c - begin) * lanes
                        add_rows(sums, at, flat, first, place, value, start, stop, lanes)
            if n % TOGETHER == TOGETHER - 1 or n == images - 1:
                for ki in range(kernel_h):
                    for kj in range(kernel_w):
                        out[b, ki, kj, begin:end] += part[ki, kj]
                part[:] = np.float32(0)
