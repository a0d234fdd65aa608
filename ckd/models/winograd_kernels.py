"""Convolutions of 3 x 3 with less than half of the products, compiled for CPUs: F(2 x 2, 3 x 3) of Winograd.

Images are (N, H, W, C) float32, C a multiple of 16. Of 4 x 4 places of an image come 2 x 2 of the output: images,
weights and output are transformed, and between lie 16 products of matrices where a direct convolution makes 36 (Lavin
and Gray, CVPR 2016). A product is summed channel by channel, or tile by tile in blocks; threads share blocks, or places
of the 4 x 4, never a sum: so their number changes no bit.
"""

from typing import NamedTuple

import numba
import numpy as np

from ckd.events.types import Float
from ckd.models.threads import share
from ckd.models.winograd_vectors import LANES, NUMBER, ROWS, USABLE, multiply, transform

__all__ = ["USABLE", "convolve", "weight_gradient"]

TILE, PLACES = 2, 4
"""Places of the output, and of the image, of a row of a tile."""
TILES = 288
"""Tiles that are taken through all stages together, about: what they are transformed into should stay in the cache."""
DEPTH = 96
"""Rows that a product sums in the first-level cache."""
_B, _G, _GT, _A, _AT = (NUMBER[name] for name in ("B", "G", "GT", "A", "AT"))


class Tiling(NamedTuple):
    """How tiles of TILE x TILE cover images of height x width, `rows` of them a block."""

    height: int
    width: int
    down: int
    across: int
    rows: int

    @property
    def padded(self) -> int:
        """Tiles of a block, rounded up to what a product takes together."""
        return -(-self.rows * self.across // 8) * 8

    def blocks(self, images: int) -> int:
        return -(-images * self.down // self.rows)


def tiling(height: int, width: int) -> Tiling:
    """Of outputs of this size."""
    across = -(-width // TILE)
    return Tiling(height, width, -(-height // TILE), across, max(1, TILES // across))


def lanes_of(channels: int) -> int:
    """How many channels lie side by side where there are so many; 0: 16 does not divide them."""
    return next((lanes for lanes in LANES if channels % lanes == 0), 0)


def convolve(x: Float, weight: Float, padding: int, *, back: bool = False) -> Float:
    """The convolution (N, H', W', K) of images x (N, H, W, C) with weight (K, C, 3, 3), stride 1.

    Args:
        x: images.
        weight: (K, C, 3, 3).
        padding: zeros around x.
        back: instead, the gradient (N, H', W', C) of the input of such a convolution with this padding, given that
            of its output, x (N, H, W, K).
    """
    turned = weight[:, :, ::-1, ::-1] if back else weight.transpose(1, 0, 2, 3)
    around = 2 - padding if back else padding
    inputs, outputs = turned.shape[:2]
    lanes = lanes_of(outputs)
    prepared = np.empty((PLACES * PLACES, outputs // lanes, inputs, lanes), np.float32)
    share(_prepare, outputs // lanes, turned, prepared)
    cover = tiling(x.shape[1] + 2 * around - 2, x.shape[2] + 2 * around - 2)
    out = np.empty((len(x), cover.height, cover.width, outputs), np.float32)
    share(_convolve, cover.blocks(len(x)), x, prepared, around, cover, cover.padded, lanes_of(inputs), out)
    return out


def weight_gradient(x: Float, dy: Float, padding: int) -> Float:
    """The gradient (K, C, 3, 3) of the weight, given images x (N, H, W, C) and that of the output, dy."""
    channels, outputs = x.shape[3], dy.shape[3]
    few, many = lanes_of(channels), lanes_of(outputs)
    cover = tiling(*dy.shape[1:3])
    total = np.zeros((PLACES * PLACES, channels // few, outputs // many, few, many), np.float32)
    left = np.zeros((PLACES * PLACES, channels // few, cover.padded, few), np.float32)
    right = np.zeros((PLACES * PLACES, outputs // many, cover.padded, many), np.float32)
    for block in range(cover.blocks(len(x))):
        first = block * cover.rows
        rows = min(cover.rows, len(x) * cover.down - first)
        share(_spread, rows, x, first, PLACES, padding, _B, cover, left)
        share(_spread, rows, dy, first, TILE, 0, _AT, cover, right)
        share(_accumulate, PLACES * PLACES, left, right, rows * cover.across, total)
    grad = np.empty((outputs, channels, 3, 3), np.float32)
    share(_gather, channels // few, total, grad)
    return grad


_compile = numba.njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")
_rows_of = np.array([ROWS.get(lanes, 0) for lanes in range(max(LANES) + 1)])


@_compile
def _prepare(begin, end, weight, prepared):  # pragma: no cover (compiled)
    """prepared (16, K / lanes, C, lanes), of the [begin, end) of its second axis, of weight (C, K, 3, 3)."""
    _, panels, inputs, lanes = prepared.shape
    local, flat = np.empty((3, 3, lanes), np.float32), prepared.ravel()
    place = panels * inputs * lanes
    for panel in range(begin, end):
        for c in range(inputs):
            for k in range(lanes):
                for i in range(3):
                    for j in range(3):
                        local[i, j, k] = weight[c, panel * lanes + k, i, j]
            at = (panel * inputs + c) * lanes
            transform(flat, at, PLACES * place, place, local.ravel(), 0, 3 * lanes, lanes, lanes, _G)


@_compile
def _spread(begin, end, x, first, size, padding, matrix, cover, out):  # pragma: no cover (compiled)
    """out (16, C / lanes, tiles, lanes): the tiles of size x size of rows first + [begin, end), transformed."""
    _, height, width, channels = x.shape
    _, panels, tiles, lanes = out.shape
    local, flat, images = np.empty((size, size, channels), np.float32), out.ravel(), x.ravel()
    place = panels * tiles * lanes
    for row in range(begin, end):
        n, top = (first + row) // cover.down, (first + row) % cover.down * TILE - padding
        for column in range(cover.across):
            left = column * TILE - padding
            at = (row * cover.across + column) * lanes
            if top >= 0 and left >= 0 and top + size <= height and left + size <= width:
                of, of_at, line = images, ((n * height + top) * width + left) * channels, width * channels
            else:
                local[:] = np.float32(0)
                for i in range(max(0, -top), min(size, height - top)):
                    for j in range(max(0, -left), min(size, width - left)):
                        local[i, j] = x[n, top + i, left + j]
                of, of_at, line = local.ravel(), 0, size * channels
            for panel in range(panels):
                to, start = at + panel * tiles * lanes, of_at + panel * lanes
                transform(flat, to, PLACES * place, place, of, start, line, channels, lanes, matrix)


@_compile
def _convolve(begin, end, x, weight, padding, cover, tiles, few, out):  # pragma: no cover (compiled)
    """The blocks [begin, end) of out (N, H', W', K) from weight (16, K / lanes, C, lanes)."""
    images, _, _, channels = x.shape
    places, panels, _, lanes = weight.shape
    left = np.zeros((places, channels // few, tiles, few), np.float32)
    right = np.empty((places, panels, tiles, lanes), np.float32)
    a, b, to = left.ravel(), weight.ravel(), right.ravel()
    step = _rows_of[lanes]
    for block in range(begin, end):
        first = block * cover.rows
        rows = min(cover.rows, images * cover.down - first)
        _spread(0, rows, x, first, PLACES, padding, _B, cover, left)
        right[:] = np.float32(0)
        for place in range(places):
            for panel in range(panels):
                for part in range(channels // few):
                    of = (place * (channels // few) + part) * tiles * few
                    with_ = ((place * panels + panel) * channels + part * few) * lanes
                    for tile in range(0, rows * cover.across, step):
                        at = ((place * panels + panel) * tiles + tile) * lanes
                        multiply(to, at, a, of + tile * few, few, 1, b, with_, few, lanes)
        _join(right, first, rows, cover, out)


@_compile
def _join(of, first, rows, cover, out):  # pragma: no cover (compiled)
    """The tiles of out (N, H', W', K) from their transforms (16, K / lanes, tiles, lanes)."""
    _, panels, tiles, lanes = of.shape
    channels = panels * lanes
    local, flat, to = np.empty((TILE, TILE, channels), np.float32), of.ravel(), out.ravel()
    place = panels * tiles * lanes
    for row in range(rows):
        n, top = (first + row) // cover.down, (first + row) % cover.down * TILE
        for column in range(cover.across):
            left = column * TILE
            whole = top + TILE <= cover.height and left + TILE <= cover.width
            if whole:
                given, at, line = to, ((n * cover.height + top) * cover.width + left) * channels, cover.width * channels
            else:
                given, at, line = local.ravel(), 0, TILE * channels
            for panel in range(panels):
                start = (panel * tiles + row * cover.across + column) * lanes
                transform(given, at + panel * lanes, line, channels, flat, start, PLACES * place, place, lanes, _A)
            if not whole:
                for i in range(min(TILE, cover.height - top)):
                    for j in range(min(TILE, cover.width - left)):
                        out[n, top + i, left + j] = local[i, j]


@_compile
def _accumulate(begin, end, left, right, count, total):  # pragma: no cover (compiled)
    """Adds to total, of the places [begin, end), the products over `count` tiles."""
    _, parts, tiles, few = left.shape
    _, panels, _, lanes = right.shape
    local = np.empty(few * lanes, np.float32)
    a, b = left.ravel(), right.ravel()
    step = _rows_of[lanes]
    for place in range(begin, end):
        for part in range(parts):
            for panel in range(panels):
                local[:] = np.float32(0)
                for first in range(0, count, DEPTH):
                    depth = min(DEPTH, count - first)
                    with_ = ((place * panels + panel) * tiles + first) * lanes
                    of = ((place * parts + part) * tiles + first) * few
                    for c in range(0, few, step):
                        multiply(local, c * lanes, a, of + c, 1, few, b, with_, depth, lanes)
                to = total[place, part, panel].ravel()
                for k in range(few * lanes):
                    to[k] += local[k]


@_compile
def _gather(begin, end, total, grad):  # pragma: no cover (compiled)
    """The gradient (K, C, 3, 3), of the parts [begin, end), from the sums (16, parts, K / lanes, few, lanes)."""
    _, parts, panels, few, lanes = total.shape
    local, flat = np.empty((3, 3, lanes), np.float32), total.ravel()
    place = parts * panels * few * lanes
    for part in range(begin, end):
        for panel in range(panels):
            for c in range(few):
                at = ((part * panels + panel) * few + c) * lanes
                transform(local.ravel(), 0, 3 * lanes, lanes, flat, at, PLACES * place, place, lanes, _GT)
                for k in range(lanes):
                    for i in range(3):
                        for j in range(3):
                            grad[panel * lanes + k, part * few + c, i, j] = local[i, j, k]
