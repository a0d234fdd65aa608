"""Search uphill: of many changed recordings those that come nearest are changed again, until one is a hit."""

import time
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from deploy.checking.witness.influence import influence
from deploy.checking.witness.mutations import Aim, Mutations
from deploy.checking.witness.nearness import APART, Nearness, Rise, Straddle
from deploy.network import Array

BATCH = 48
"""Recordings that are run at once."""
KEPT = 24
"""Recordings that are changed again."""
SHARE_OF_STARTS = 1 / 3
"""Of the time, at most, for recordings as they are: thousands of them must not leave none for changing them."""


class Climb:
    """One search under way: what came nearest so far, and how much was tried."""

    def __init__(self, probe: Rise | Straddle, mutations: Mutations, rng: np.random.Generator) -> None:
        self._probe, self._mutations, self._rng = probe, mutations, rng
        self._kept: list[tuple[float, Array, Aim | None]] = []
        self._influence = lru_cache(64)(lambda neuron: influence(probe.network, probe.layer, neuron))
        self.tried = 0

    @property
    def nearest(self) -> float:
        """The least distance so far."""
        return min((distance for distance, _, _ in self._kept), default=APART)

    def hits(self, starts: Array, until: float) -> Array | None:
        """The recordings of one batch that are hits, the fewest events first; None where time ran out."""
        for frames in self._batches(starts, time.monotonic() + (until - time.monotonic()) * SHARE_OF_STARTS):
            found = self._probe(frames)
            self.tried += len(frames)
            if found.hit.any():
                there = frames[found.hit]
                return there[np.argsort(there.reshape(len(there), -1).sum(axis=1), kind="stable")]
            self._keep(frames, found)
            if time.monotonic() > until:
                return None
        raise AssertionError("batches never end")

    def _batches(self, starts: Array, leave: float) -> Iterator[Array]:
        for first in range(0, len(starts), BATCH):
            yield starts[first : first + BATCH]
            if time.monotonic() > leave:
                break
        yield self._mutations.fresh(BATCH)
        while True:
            yield np.stack([self._child(starts) for _ in range(BATCH)])

    def _child(self, starts: Array) -> Array:
        # The nearest are chosen most often.
        rank = min(int(self._rng.geometric(0.12)) - 1, len(self._kept) - 1)
        _, parent, aim = self._kept[rank]
        others = starts if len(starts) and self._rng.random() < 0.5 else [frames for _, frames, _ in self._kept]
        return self._mutations.child(parent, others[self._rng.integers(len(others))], aim)

    def _keep(self, frames: Array, found: Nearness) -> None:
        known = {distance for distance, _, _ in self._kept}
        for row in np.argsort(found.distance, kind="stable")[:KEPT]:
            if found.distance[row] < APART and found.distance[row] in known:
                continue  # a change without effect: copies would crowd out all others
            known.add(float(found.distance[row]))
            step, *neuron = (int(n) for n in found.places[row])
            aim = None
            if found.distance[row] < APART:
                towards = self._influence(tuple(neuron))
                aim = Aim(step=step, influence=towards if found.raised[row] else -towards)
            self._kept.append((float(found.distance[row]), frames[row], aim))
        self._kept.sort(key=lambda one: one[0])
        del self._kept[KEPT:]
