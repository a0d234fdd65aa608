"""Search without an aim: recordings that do what none did before, on thresholds and at the ends of registers, are kept.

Two simulators of one model, or two models of different structure, may differ in anything. What is new is told by how
often potentials lay exactly on a threshold or one beside it, by the size of currents, potentials and sums, by overflows
and by how much spiked, layer by layer.
"""

import time
from collections.abc import Callable

import numpy as np

from deploy.checking.witness.climb import SHARE_OF_STARTS
from deploy.checking.witness.mutations import Mutations
from deploy.checking.witness.nearness import potentials
from deploy.network import Array, GridNeuron, Network
from deploy.traces.trace import Trace

POOL = 256
"""Recordings that are changed again; beyond it an old one goes."""
FIRST, LARGEST = 4, 128
"""Recordings in a batch, at first and at most."""
BRISK, BATCHES = 1.5, 20
"""Seconds, and batches in all: one that takes less than the seconds, or than its share, is followed by a larger one, as
what starts a process each time runs many recordings as fast as few. One that takes twice as long, by a smaller one."""


class Roam:
    """A search under way."""

    def __init__(self, guide: Network | None, mutations: Mutations, rng: np.random.Generator) -> None:
        self._guide, self._mutations, self._rng = guide, mutations, rng
        self._pool: list[Array] = []
        self._seen: set[tuple[str, str, int]] = set()
        self.tried = 0
        self._on_threshold = 0
        self._largest = {"u": 0, "v": 0}

    @property
    def nearest(self) -> str:
        """How near the search came to what simulators get wrong, in words."""
        return (
            f"{self._on_threshold:,} potentials lay exactly on a threshold, |u| reached {self._largest['u']:,} and |v| "
            f"{self._largest['v']:,} of 2^23; {len(self._seen):,} kinds of behavior seen"
        )

    def hit(
        self, starts: Array, both: Callable[[Array], tuple[Trace, Array]], until: float
    ) -> tuple[Array, Array] | None:
        """The first frames of which some differ, and which, (N,) bool; None where time ran out.

        Args:
            starts: (R, T, *shape) to begin with.
            both: runs frames on both sides; gives the trace that guides, and which recordings differ.
            until: a monotonic time.
        """
        size, at = FIRST, 0
        whole = until - time.monotonic()
        leave = time.monotonic() + whole * SHARE_OF_STARTS
        brisk = max(BRISK, whole / BATCHES)
        while time.monotonic() < until:
            if at < len(starts) and time.monotonic() < leave:
                frames = starts[at : at + size]
                at += size
            else:
                frames = self._changed(starts, size)
            began = time.monotonic()
            trace, differs = both(frames)
            self.tried += len(frames)
            if differs.any():
                return frames, differs
            self._keep(frames, trace)
            took = time.monotonic() - began
            size = min(LARGEST, size * 2) if took < brisk else max(1, size // 2) if took > 2 * brisk else size
        return None

    def _changed(self, starts: Array, size: int) -> Array:
        fresh = self._mutations.fresh(max(1, size // 8) if self._pool else size)
        if not self._pool:
            return fresh
        children = [
            self._mutations.child(self._pool[self._rng.integers(len(self._pool))], self._other(starts), None)
            for _ in range(size - len(fresh))
        ]
        return np.concatenate([fresh, *(child[None] for child in children)])

    def _other(self, starts: Array) -> Array:
        from_starts = len(starts) > 0 and self._rng.random() < 0.5
        among = starts if from_starts else self._pool
        return among[self._rng.integers(len(among))]

    def _keep(self, frames: Array, trace: Trace) -> None:
        """The recordings that show what none showed before."""
        new = np.zeros(len(frames), bool)
        for name, record in trace.layers.items():
            node = None if self._guide is None else self._guide.nodes.get(name)
            for what, numbers in self._numbers(node, record.get("u"), record.get("v"), trace, name).items():
                for row, number in enumerate(numbers):
                    key = (name, what, int(number).bit_length())
                    new[row] |= key not in self._seen
                    self._seen.add(key)
        self._pool += list(frames[new])
        while len(self._pool) > POOL:
            self._pool.pop(int(self._rng.integers(len(self._pool))))

    def _numbers(self, node: object, u: Array | None, v: Array | None, trace: Trace, name: str) -> dict[str, Array]:
        """By what is counted or measured of a layer, one number a recording."""
        rows = len(trace.predictions)
        found = {}
        if not trace.layers[name].is_readout:
            found["spikes"] = trace.output(name).reshape(rows, -1).sum(axis=1)
        for kind, values in (("u", u), ("v", v)):
            if values is not None and len(values) == rows:
                flat = values.reshape(rows, -1)
                found |= {f"{kind} up": flat.max(axis=1), f"{kind} down": -flat.min(axis=1)}
                size = int(max(found[f"{kind} up"].max(), found[f"{kind} down"].max()))
                self._largest[kind] = max(self._largest[kind], size)
        if isinstance(node, GridNeuron) and node.firing_potential is not None and "u up" in found and "v up" in found:
            margin = (potentials(node, trace.layers[name]) - node.firing_potential).reshape(rows, -1)
            for beside in (-1, 0, 1):
                found[f"threshold {beside:+}"] = (margin == beside).sum(axis=1)
            self._on_threshold += int(found["threshold +0"].sum())
            found["nearest"] = np.abs(margin).min(axis=1)
        return found
