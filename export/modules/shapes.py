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


def moves_of(piece: Piece, shape: Shape) -> tuple[Array, Array, tuple[int, int]] | None:
    """How a piece moves whole channels of an image to a value of `shape`.

    Returns:
        their numbers there and here, and the rows and columns of zeros that are put around them, the same on both
        sides; None where it does something else.
    """
    before, after = as_image(piece.made.shape), as_image(shape)
    if len(before) != 3 or len(after) != 3:
        return None
    rows, columns = ((m - n) // 2 for n, m in zip(before[1:], after[1:], strict=True))
    if rows < 0 or columns < 0 or (before[1] + 2 * rows, before[2] + 2 * columns) != after[1:]:
        return None
    size, area = before[1] * before[2], after[1] * after[2]
    inside = np.arange(area).reshape(after[1:])[rows : rows + before[1], columns : columns + before[2]].ravel()
    source, target = piece.pairs()
    if len(target) % size:
        return None
    order = np.argsort(target, kind="stable")
    source, target = source[order].reshape(-1, size), target[order].reshape(-1, size)
    there, here = source[:, 0] // size, target[:, 0] // area
    whole = np.all(source == there[:, None] * size + np.arange(size)) and np.all(
        target == here[:, None] * area + inside
    )
    return (there, here, (rows, columns)) if whole else None
