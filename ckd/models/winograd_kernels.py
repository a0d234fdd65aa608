"""Convolutions of 3 x 3 with a quarter of the products, compiled for CPUs: F(4 x 4, 3 x 3) of Winograd.

Images are (N, H, W, C) float32, C a multiple of 16. Of 6 x 6 places of an image come 4 x 4 of the output: images,
weights and output are transformed, and between lie 36 products of matrices where a direct convolution makes 144 (Lavin
and Gray, CVPR 2016). A product is summed channel by channel, or tile by tile, in parts that are summed in turn; threads
share blocks, or places of the 6 x 6, never a sum: so their number changes no bit.
"""

from typing import NamedTuple

import numba
import numpy as np

from ckd.events.types import Float
from ckd.models.buffers import empty
from ckd.models.threads import share
from ckd.models.winograd_vectors import LANES, NUMBER, ROWS, USABLE, multiply, transform

__all__ = ["USABLE", "convolve", "weight_gradient"]

TILE, PLACES = 4, 6
"""Places of the output, and of the image, of a row of a tile."""
TILES, TILES_SUMMED = 96, 144
"""Tiles that are taken through all stages together, about: what they are transformed into should stay in the cache.
For the gradient of weights more, since every block adds to all of its sums."""
DEPTH = 96
"""Rows that a product sums in the first-level cache."""
PREPARED = 20 << 20
"""Bytes that weights, or their gradient, may take while transformed, four times what they are; more come in turn."""
APART = 16
"""Floats between transforms of different places: whole pages apart, they would fall into the same cache lines."""
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


def tiling(height: int, width: int, tiles: int = TILES) -> Tiling:
    """Of outputs of this size, about so many tiles a block."""
    across = -(-width // TILE)
    return Tiling(height, width, -(-height // TILE), across, max(1, tiles // across))


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
    lanes, together = lanes_of(outputs), _in_turn(inputs, outputs)
    prepared = _of_places(inputs * together)
    cover = tiling(x.shape[1] + 2 * around - 2, x.shape[2] + 2 * around - 2)
    out = empty((len(x), cover.height, cover.width, outputs))
    for first in range(0, outputs, together):
        share(_prepare, together // lanes, turned[:, first : first + together], lanes, prepared)
        of = (x, prepared, around, cover, cover.padded, lanes_of(inputs), lanes)
        share(_convolve, cover.blocks(len(x)), *of, out, first, together)
    return out


def weight_gradient(x: Float, dy: Float, padding: int) -> Float:
    """The gradient (K, C, 3, 3) of the weight, given images x (N, H, W, C) and that of the output, dy."""
    channels, outputs = x.shape[3], dy.shape[3]
    few, many, together = lanes_of(channels), lanes_of(outputs), _in_turn(channels, outputs)
    cover = tiling(*dy.shape[1:3], tiles=TILES_SUMMED)
    tiles, size = cover.padded, (channels, together)
    left, right, total = (_of_places(n) for n in (tiles * channels, tiles * together, channels * together))
    grad = np.empty((outputs, channels, 3, 3), np.float32)
    for start in range(0, outputs, together):
        total[:] = 0
        for block in range(cover.blocks(len(x))):
            first = block * cover.rows
            rows = min(cover.rows, len(x) * cover.down - first)
            share(_spread, rows, x, first, PLACES, padding, _B, cover, tiles, few, left, 0, channels)
            share(_spread, rows, dy, first, TILE, 0, _AT, cover, tiles, many, right, start, together)
            share(_accumulate, PLACES * PLACES, left, right, tiles, rows * cover.across, size, (few, many), total)
        share(_gather, channels // few, total, few, many, grad[start : start + together])
    return grad


def _in_turn(inputs: int, outputs: int) -> int:
    """How many output channels' weights are transformed at once: a half, a quarter, ... of them."""
    together = outputs
    while (
        PLACES * PLACES * inputs * together * 4 > PREPARED
        and together % 2 == 0
        and lanes_of(together // 2) == lanes_of(outputs)
    ):
        together //= 2
    return together


def _of_places(size: int) -> Float:
    return empty((PLACES * PLACES, size + APART))


_compile = numba.njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")
_rows_of = np.array([ROWS.get(lanes, 0) for lanes in range(max(LANES) + 1)])


@numba.njit(nogil=True, boundscheck=False, error_model="numpy")
def _copy(out, out_at, of, of_at, count):
    to, given = out[out_at : out_at + count], of[of_at : of_at + count]
    for k in range(count):
        to[k] = given[k]


@_compile
def _prepare(begin, end, weight, lanes, prepared):  # pragma: no cover (compiled)
    """prepared (36, K / lanes, C, lanes), of the [begin, end) of its second axis, of weight (C, K, 3, 3)."""
    inputs, place = weight.shape[0], prepared.shape[1]
    local, flat = np.empty((3, 3, lanes), np.float32), prepared.ravel()
    for panel in range(begin, end):
        for c in range(inputs):
            for k in range(lanes):
                for i in range(3):
                    for j in range(3):
                        local[i, j, k] = weight[c, panel * lanes + k, i, j]
            at = (panel * inputs + c) * lanes
            transform(flat, at, PLACES * place, place, local.ravel(), 0, 3 * lanes, lanes, lanes, _G)


@_compile
def _spread(
    begin, end, x, first, size, padding, matrix, cover, tiles, lanes, out, channel, count
):  # pragma: no cover (compiled)
    """out (36, count / lanes, tiles, lanes): the tiles of size x size of rows first + [begin, end), transformed, of the
    `count` channels from `channel` on."""
    _, height, width, channels = x.shape
    place, line = out.shape[1], width * channels
    local, flat, images = np.empty(size * size * channels, np.float32), out.ravel(), x.ravel()
    for row in range(begin, end):
        n, top = (first + row) // cover.down, (first + row) % cover.down * TILE - padding
        for column in range(cover.across):
            left = column * TILE - padding
            at = (row * cover.across + column) * lanes
            of, of_at, of_line = images, ((n * height + top) * width + left) * channels, line
            if top < 0 or left < 0 or top + size > height or left + size > width:
                local[:] = np.float32(0)
                low, high = max(0, -left) * channels, min(size, width - left) * channels
                for i in range(max(0, -top), min(size, height - top)):
                    _copy(local, i * size * channels + low, images, of_at + i * line + low, high - low)
                of, of_at, of_line = local, 0, size * channels
            for panel in range(count // lanes):
                to, start = at + panel * tiles * lanes, of_at + channel + panel * lanes
                transform(flat, to, PLACES * place, place, of, start, of_line, channels, lanes, matrix)


@_compile
def _convolve(
    begin, end, x, weight, padding, cover, tiles, few, lanes, out, channel, count
):  # pragma: no cover (compiled)
    """The blocks [begin, end) of `count` channels of out (N, H', W', K), from `channel` on, from their weight
    (36, count / lanes, C, lanes)."""
    images, channels, panels = x.shape[0], x.shape[3], count // lanes
    places = weight.shape[0]
    left = np.zeros((places, channels * tiles + APART), np.float32)
    right = np.empty((places, panels * lanes * tiles + APART), np.float32)
    a, b, to = left.ravel(), weight.ravel(), right.ravel()
    step = _rows_of[lanes]
    for block in range(begin, end):
        first = block * cover.rows
        rows = min(cover.rows, images * cover.down - first)
        _spread(0, rows, x, first, PLACES, padding, _B, cover, tiles, few, left, 0, channels)
        for place in range(places):
            for panel in range(panels):
                for part in range(channels // few):
                    of = place * left.shape[1] + part * tiles * few
                    with_ = place * weight.shape[1] + (panel * channels + part * few) * lanes
                    for tile in range(0, rows * cover.across, step):
                        at = place * right.shape[1] + (panel * tiles + tile) * lanes
                        multiply(to, at, a, of + tile * few, few, 1, b, with_, few, lanes, part == 0)
        _join(right, tiles, lanes, first, rows, cover, out, channel, count)


@_compile
def _join(of, tiles, lanes, first, rows, cover, out, channel, count):  # pragma: no cover (compiled)
    """The tiles of `count` channels of out (N, H', W', K), from `channel` on, from their transforms
    (36, count / lanes, tiles, lanes)."""
    channels, place = out.shape[3], of.shape[1]
    local, flat, images = np.empty(TILE * TILE * count, np.float32), of.ravel(), out.ravel()
    line = cover.width * channels
    for row in range(rows):
        n, top = (first + row) // cover.down, (first + row) % cover.down * TILE
        for column in range(cover.across):
            left = column * TILE
            whole = top + TILE <= cover.height and left + TILE <= cover.width
            at = ((n * cover.height + top) * cover.width + left) * channels + channel
            to, to_at, to_line, apart = (images, at, line, channels) if whole else (local, 0, TILE * count, count)
            for panel in range(count // lanes):
                start = (panel * tiles + row * cover.across + column) * lanes
                transform(to, to_at + panel * lanes, to_line, apart, flat, start, PLACES * place, place, lanes, _A)
            if not whole:
                for i in range(min(TILE, cover.height - top)):
                    for j in range(min(TILE, cover.width - left)):
                        _copy(images, at + i * line + j * channels, local, (i * TILE + j) * count, count)


@_compile
def _accumulate(begin, end, left, right, tiles, count, size, lanes, total):  # pragma: no cover (compiled)
    """Adds to total (36, C / few, K / many, few, many), of the places [begin, end), the products over `count` tiles."""
    (channels, outputs), (few, many) = size, lanes
    local = np.empty(few * many, np.float32)
    a, b = left.ravel(), right.ravel()
    step, panels = _rows_of[many], outputs // many
    for place in range(begin, end):
        for part in range(channels // few):
            for panel in range(panels):
                for first in range(0, count, DEPTH):
                    depth = min(DEPTH, count - first)
                    with_ = place * right.shape[1] + (panel * tiles + first) * many
                    of = place * left.shape[1] + (part * tiles + first) * few
                    for c in range(0, few, step):
                        multiply(local, c * many, a, of + c, 1, few, b, with_, depth, many, first == 0)
                at = (part * panels + panel) * few * many
                to = total[place, at : at + few * many]
                for k in range(to.size):
                    to[k] += local[k]


@_compile
def _gather(begin, end, total, few, many, grad):  # pragma: no cover (compiled)
    """The gradient (K, C, 3, 3), of the parts [begin, end), from the sums (36, parts, K / many, few, many)."""
    panels, place = grad.shape[0] // many, total.shape[1]
    local, flat = np.empty((3, 3, many), np.float32), total.ravel()
    for part in range(begin, end):
        for panel in range(panels):
            for c in range(few):
                at = ((part * panels + panel) * few + c) * many
                transform(local.ravel(), 0, 3 * many, many, flat, at, PLACES * place, place, many, _GT)
                for k in range(many):
                    for i in range(3):
                        for j in range(3):
                            grad[panel * many + k, part * few + c, i, j] = local[i, j, k]
