"""A number on which a mistake depends, looked for: from coarse to fine where the least is left wrong."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from deploy.checking.divergence.evidence import left_wrong
from deploy.checking.divergence.hypotheses.registry import Candidate
from deploy.checking.divergence.setup import Setup
from deploy.network import Array
from deploy.traces.trace import Trace

POINTS, ROUNDS = 9, 8
"""Values a round, each round between the neighbors of the best one."""
LOOKED_AT = 300_000
"""Neuron-steps on which something is looked for, whole recordings; what is found is held against all."""


class Few:
    """Some of the recordings in which a layer is wrong, on which many setups are tried."""

    def __init__(self, setup: Setup, trace: Trace, layer: str, wrong: Array) -> None:
        guilty = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
        self.rows = guilty[: max(1, LOOKED_AT // max(1, wrong[0].size))]
        self.wrong = wrong[self.rows]
        self._some, self._trace, self._layer = setup.take(self.rows), trace.take(self.rows.tolist()), layer

    def left(self, made: Setup) -> Array | None:
        """What a setup of all recordings leaves wrong in these."""
        some = replace(made, frames=self._some.frames, rows=self._some.rows)
        return left_wrong(some, self._trace, self._layer)


def fitted(
    setup: Setup,
    layer: str,
    trace: Trace,
    between: tuple[int, int],
    make: Callable[[int], Setup],
    say: Callable[[int], str],
) -> Iterator[Candidate]:
    """The value that leaves least wrong in the neurons in question, none where all leave as much as no mistake.

    Args:
        setup, layer, trace: as every hypothesis has them.
        between: the least and the largest value.
        make: the setup with a value. say: what that means.
    """
    wrong = left_wrong(setup, trace, layer)
    low, high = between
    if wrong is None or not wrong.any() or low > high:
        return
    few = Few(setup, trace, layer, wrong)
    wrong = few.wrong
    guilty = wrong.any(axis=(0, 1))
    known: dict[int, int] = {}

    def cost(value: int) -> int:
        if value not in known:
            left = few.left(make(value))
            known[value] = wrong.size if left is None else int(left[:, :, guilty].sum())
        return known[value]

    first, last = low, high
    for _ in range(ROUNDS):
        points = sorted({round(float(p)) for p in np.linspace(first, last, POINTS)})
        best = min(points, key=cost)
        if not known[best] or len(points) < POINTS:
            break
        at = points.index(best)
        first, last = points[max(at - 1, 0)], points[min(at + 1, len(points) - 1)]
    best = min(known, key=lambda value: known[value])
    if known[best] >= int(wrong.sum()):
        return
    if known[best]:
        yield Candidate(say(best), make(best))
        return
    least, most = _edge(cost, best, low, -1), _edge(cost, best, high, 1)
    about = "" if least == most else f" (any from {least} to {most} does the same here)"
    yield Candidate(say(best) + about, make(best))


def _edge(cost: Callable[[int], int], best: int, bound: int, way: int) -> int:
    """The farthest value on one side that still leaves nothing, by halving."""
    good, bad = best, bound + way
    step = 1
    while abs(good - best) < abs(bound - best):
        value = min(best + step, bound) if way > 0 else max(best - step, bound)
        if cost(value):
            bad = value
            break
        good, step = value, step * 4
        if value == bound:
            return bound
    while abs(bad - good) > 1:
        middle = (good + bad) // 2
        if cost(middle):
            bad = middle
        else:
            good = middle
    return good
