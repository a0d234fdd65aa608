"""Fewer events than taking away alone gets to: some are taken away, others put beside what is left."""

import time

import numpy as np

from deploy.checking.witness.shrink import BATCH, Differs
from deploy.network import Array

PATIENCE = 40
"""Batches without one event less, after which there is no more to be had."""
SHARES = (0.5, 0.3, 0.1, 0.02)
"""One over how many events are taken away at once, on average."""
NEAR = 2
"""Places and steps by which an event is put beside another."""


def polish(frames: Array, differs: Differs, rng: np.random.Generator, until: float) -> Array:
    """Replace events of frames (T, *shape) at random as long as it still differs and there are no more of them.

    Args:
        frames: counts, of which `differs` holds.
        differs: judges several recordings at once.
        rng: what events are drawn from.
        until: the monotonic time at which the best so far has to do.
    """
    idle = 0
    while idle < PATIENCE and frames.any() and time.monotonic() < until:
        tried = np.stack([_changed(frames, rng) for _ in range(BATCH)])
        counts = tried.reshape(BATCH, -1).sum(axis=1, dtype=np.int64)
        still = np.flatnonzero(differs(tried) & (counts <= frames.sum()))
        idle += 1
        if len(still):
            # Among equals any: what cannot lose an event here may lose one from there.
            fewest = still[counts[still] == counts[still].min()]
            idle = 0 if counts[fewest[0]] < frames.sum() else idle
            frames = tried[rng.choice(fewest)]
    return frames


def _changed(frames: Array, rng: np.random.Generator) -> Array:
    """A copy with some events gone, and as many or one fewer put beside others."""
    left = frames.copy()
    events = np.argwhere(left)
    gone = min(int(rng.geometric(rng.choice(SHARES))), len(events))
    for place in rng.choice(events, gone, replace=False):
        left[tuple(place)] -= 1
    for _ in range(int(gone * rng.random()) if rng.random() < 0.5 else gone):
        beside = rng.choice(events) + rng.integers(-NEAR, NEAR + 1, events.shape[1])
        place = tuple(np.clip(beside, 0, np.array(left.shape) - 1))
        left[place] = max(left[place], 1)
    return left
