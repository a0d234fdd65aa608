"""Shapes of a module's values as nodes have them: (n,) or (C, H, W)."""

import numpy as np

from deploy.network import Array, Shape
from export.modules.refusal import ModuleRefusedError
from export.modules.values import Piece


def as_image(shape: Shape) -> Shape:
    """(C, L) is (C, 1, L), as of an image of height 1.

    Raises:
        ModuleRefusedError: more than three axes.
    """
    if len(shape) == 2:
        return (shape[0], 1, shape[1])
    if len(shape) > 3:
        raise ModuleRefusedError(f"values of shape {shape} a step; a network has (n,), (C, L) and (C, H, W)")
    return shape or (1,)


def per_channel(values: Array, shape: Shape) -> Array | None:
    """The value of each channel of flat `values` of `shape`, (C,); None where they differ within one."""
    rows = values.reshape(as_image(shape)[0], -1)
    return rows[:, 0] if np.all(rows == rows[:, :1]) else None


def channels_of(piece: Piece, shape: Shape) -> tuple[Array, Array] | None:
    """(source, target) channels where a piece moves whole channels of an image to a value of `shape`; else None."""
    before, after = as_image(piece.made.shape), as_image(shape)
    if len(before) != 3 or len(after) != 3 or before[1:] != after[1:]:
        return None
    size = after[1] * after[2]
    source, target = piece.pairs()
    order = np.argsort(target, kind="stable")
    if len(order) % size:
        return None
    source, target = source[order].reshape(-1, size), target[order].reshape(-1, size)
    places = np.arange(size)
    whole = np.all(target == target[:, :1] + places) and np.all(source == source[:, :1] + places)
    if not whole or np.any(target[:, 0] % size) or np.any(source[:, 0] % size):
        return None
    return source[:, 0] // size, target[:, 0] // size


def padding_of(piece: Piece, shape: Shape) -> tuple[int, int] | None:
    """(rows, columns) of zeros around an image, the same on both sides, where a piece adds just these; else None."""
    before, after = as_image(piece.made.shape), as_image(shape)
    if len(before) != 3 or len(after) != 3 or before[0] != after[0]:
        return None
    rows, columns = ((m - n) // 2 for n, m in zip(before[1:], after[1:], strict=True))
    if rows < 0 or columns < 0 or (before[1] + 2 * rows, before[2] + 2 * columns) != after[1:]:
        return None
    source, target = piece.pairs()
    places = (
        np.arange(int(np.prod(after))).reshape(after)[:, rows : rows + before[1], columns : columns + before[2]].ravel()
    )
    order = np.argsort(target, kind="stable")
    fits = len(target) == len(places) and np.array_equal(target[order], places)
    return (rows, columns) if fits and np.array_equal(source[order], np.arange(len(places))) else None
