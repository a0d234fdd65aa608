"""Whether what was lost or moved was picked by chance: if it goes with anything that is known, chance is no cause."""

from collections.abc import Iterator

import numpy as np

from deploy.network import Array

FAR = 5.0
"""Standard deviations of a sum of squares beyond which shares differ by more than chance."""


def by_chance(x: Array, changed: Array) -> bool:
    """Whether the same share of events is changed whatever recording, step, channel, count or place in the step.

    Args:
        x: (R, T, ...) events. changed: how many of them were; of inputs and recordings without any nothing is asked.
    """
    rows = changed.reshape(len(changed), -1).any(axis=1)
    x, changed = x[rows].astype(np.int64), changed[rows].astype(np.int64)
    if x.ndim == 5:
        channels = changed.any(axis=(0, 1, 3, 4))
        x, changed = x[:, :, channels], changed[:, :, channels]
    total, of = int(x.sum()), int(changed.sum())
    if not of or of >= total:
        return False
    share = of / total
    return all(_alike(group, x, changed, share) for group in _groups(x))


def _alike(group: Array, x: Array, changed: Array, share: float) -> bool:
    count = int(group.max()) + 1
    events = np.bincount(group.reshape(-1), weights=x.reshape(-1), minlength=count)
    hits = np.bincount(group.reshape(-1), weights=changed.reshape(-1), minlength=count)
    told = events * share * (1 - share) > 1
    if told.sum() < 2:
        return True
    squares = ((hits - events * share) ** 2 / np.maximum(events * share * (1 - share), 1e-9))[told]
    return bool(squares.sum() <= told.sum() + FAR * np.sqrt(2 * told.sum()))


def _groups(x: Array) -> Iterator[Array]:
    """By recording, step, channel or part of the inputs, count, place in the step, and number of events in it."""
    index = [np.arange(n).reshape([-1 if a == axis else 1 for a in range(x.ndim)]) for axis, n in enumerate(x.shape)]
    ones = np.zeros(x.shape, np.int64)
    yield index[0] + ones
    yield index[1] + ones
    yield (index[2] if x.ndim == 5 else index[2] * 8 // x.shape[2]) + ones
    yield np.minimum(x, 8)
    flat = x.reshape(*x.shape[:2], -1)
    before = np.cumsum(flat, axis=2) - flat
    yield (before // max(1, int(before.max()) // 8 + 1)).reshape(x.shape)
    number = flat.sum(axis=2)
    yield (number // max(1, int(number.max()) // 8 + 1)).reshape(*number.shape, *(1,) * (x.ndim - 2)) + ones
