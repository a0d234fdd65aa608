"""From frames on which something differs to the fewest events on which it still does: delta debugging in batches."""

import time
from collections.abc import Callable

import numpy as np

from deploy.network import Array

BATCH = 48

Differs = Callable[[Array], Array]
"""Frames (N, T, *shape) to whether each of the N recordings differs, (N,) bool."""


def shrink(frames: Array, differs: Differs, until: float) -> Array:
    """Take events away as long as the rest still differs.

    Args:
        frames: (T, *shape) counts, of which `differs` holds.
        differs: judges several recordings at once.
        until: the monotonic time at which the best so far has to do.

    Returns:
        frames of which no single event can be taken away, if time was enough.
    """
    cells = np.flatnonzero(frames.ravel())
    size = max(1, (len(cells) + 1) // 2)
    while len(cells) and time.monotonic() < until:
        chunks = [cells[i : i + size] for i in range(0, len(cells), size)]
        idle = _removable(frames, chunks, differs, until)
        if idle:
            frames = _without(frames, np.concatenate(_most(frames, idle, differs)))
            cells = np.flatnonzero(frames.ravel())
        elif size == 1:
            break
        size = max(1, min(size // 2, (len(cells) + 1) // 2))
    return _fewer_counts(frames, differs, until)


def _removable(frames: Array, chunks: list[Array], differs: Differs, until: float) -> list[Array]:
    """The chunks without each of which, alone, it still differs."""
    found: list[Array] = []
    for first in range(0, len(chunks), BATCH):
        part = chunks[first : first + BATCH]
        holds = differs(np.stack([_without(frames, chunk) for chunk in part]))
        found += [chunk for chunk, still in zip(part, holds, strict=True) if still]
        if time.monotonic() > until:
            break
    return found


def _most(frames: Array, idle: list[Array], differs: Differs) -> list[Array]:
    """As many of the chunks as can go together: the largest of the first 1, 2, 4, ... and all."""
    counts = sorted({1, len(idle), *(1 << n for n in range(len(idle).bit_length()))})
    together = [idle[:count] for count in counts if count <= len(idle)]
    holds = differs(np.stack([_without(frames, np.concatenate(chunks)) for chunks in together]))
    # One alone holds, as was seen; asked again in another batch it must, or the judge is none.
    return next((chunks for chunks, still in zip(together[::-1], holds[::-1], strict=True) if still), idle[:1])


def _fewer_counts(frames: Array, differs: Differs, until: float) -> Array:
    """Counts above 1 are lowered to 1 where they may."""
    for cell in np.flatnonzero(frames.ravel() > 1):
        if time.monotonic() > until:
            break
        lower = np.repeat(frames[None], int(frames.ravel()[cell]) - 1, axis=0)
        lower.reshape(len(lower), -1)[:, cell] = np.arange(1, len(lower) + 1)
        holds = np.flatnonzero(differs(lower))
        if len(holds):
            frames = lower[holds[0]]
    return frames


def _without(frames: Array, cells: Array) -> Array:
    left = frames.copy()
    left.ravel()[cells] = 0
    return left
