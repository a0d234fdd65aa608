"""Frames from frames: events added, removed and moved, bursts, silence, steps repeated and shifted, two crossed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deploy.network import Array, Shape

RECENT = 4
"""Most of what moves a potential came in so many steps before."""


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What is wanted of a change: more or less of what a neuron does at a step.

    influence: (*input_shape), positive where an event brings it nearer.
    """

    step: int
    influence: Array


class Mutations:
    """Changes of one recording (T, *shape), drawn by chance; counts stay within 0 to `largest`."""

    def __init__(self, rng: np.random.Generator, steps: int, shape: Shape, largest: int) -> None:
        self._rng, self._steps, self._shape, self._largest = rng, steps, shape, largest

    def fresh(self, count: int) -> Array:
        """Recordings of its own (count, T, *shape): noise of every density, full, one burst."""
        made = np.zeros((count, self._steps, *self._shape), np.uint8)
        for i in range(count):
            rate = self._rng.choice([0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0])
            made[i] = self._counts(made[i].shape) * (self._rng.random(made[i].shape) < rate)
            if self._rng.random() < 0.3:
                first, last = sorted(self._rng.integers(0, self._steps + 1, 2))
                made[i, :first] = made[i, last:] = 0
        return made

    def child(self, parent: Array, other: Array, aim: Aim | None) -> Array:
        """A changed copy of `parent`; `other` is what it may be crossed with."""
        child = parent.copy()
        aimed = aim is not None and bool(np.any(aim.influence))
        if aimed and self._rng.random() < 0.6:
            assert aim is not None
            self._towards(child, aim)
            return child
        changes: list[Callable[[Array, Array], None]] = [
            *(self._flip, self._burst, self._silence, self._move, self._shift, self._repeat, self._cross)
        ]
        changes[self._rng.integers(len(changes))](child, other)
        return child

    def _towards(self, child: Array, aim: Aim) -> None:
        """Events where they bring the neuron nearer, none where they do the contrary, in the steps just before."""
        weight = np.abs(aim.influence).ravel()
        if self._rng.random() < 0.3:
            weight = (weight > 0).astype(float)
        count = min(int(self._rng.geometric(self._rng.choice([0.5, 0.2, 0.05, 0.01]))), int(np.count_nonzero(weight)))
        chosen = self._rng.choice(len(weight), count, replace=False, p=weight / weight.sum())
        earliest = max(0, aim.step - int(self._rng.integers(0, RECENT + 1)))
        steps = self._rng.integers(earliest, aim.step + 1, count)
        wrong_way = self._rng.random(count) < 0.1
        more = (aim.influence.ravel()[chosen] > 0) != wrong_way
        child.reshape(self._steps, -1)[steps, chosen] = np.where(more, self._counts((count,)), 0)

    def _flip(self, child: Array, other: Array) -> None:
        count = min(int(self._rng.geometric(0.1)), child.size)
        chosen = self._rng.integers(0, child.size, count)
        flat = child.reshape(-1)
        flat[chosen] = np.where(flat[chosen] > 0, 0, self._counts((count,)))

    def _burst(self, child: Array, other: Array) -> None:
        box = child[self._box()]
        box[...] = np.where(self._rng.random(box.shape) < self._rng.random(), self._counts(box.shape), box)

    def _silence(self, child: Array, other: Array) -> None:
        child[self._box()] = 0

    def _move(self, child: Array, other: Array) -> None:
        """Some events go to a place beside their own, or to the step before or after."""
        axis = int(self._rng.integers(child.ndim))
        chosen = (child > 0) & (self._rng.random(child.shape) < 0.1)
        values = np.where(chosen, child, 0)
        child[chosen] = 0
        np.maximum(child, np.roll(values, int(self._rng.choice([-1, 1])), axis), out=child)

    def _shift(self, child: Array, other: Array) -> None:
        axis = int(self._rng.integers(child.ndim))
        child[...] = np.roll(child, int(self._rng.integers(-2, 3)), axis)

    def _repeat(self, child: Array, other: Array) -> None:
        one, another = self._rng.integers(0, self._steps, 2)
        child[one] = child[another]

    def _cross(self, child: Array, other: Array) -> None:
        box = self._box() if self._rng.random() < 0.5 else (slice(int(self._rng.integers(self._steps)), None),)
        child[box] = other[box]

    def _box(self) -> tuple[slice, ...]:
        """A part of a recording, often all of an axis."""
        found = []
        for size in (self._steps, *self._shape):
            first, last = sorted(self._rng.integers(0, size + 1, 2))
            found.append(slice(None) if self._rng.random() < 0.3 else slice(int(first), int(max(last, first + 1))))
        return tuple(found)

    def _counts(self, shape: Shape) -> Array:
        if self._largest == 1:
            return np.ones(shape, np.uint8)
        if self._rng.random() < 0.5:
            return np.full(shape, self._largest, np.uint8)
        return self._rng.integers(1, self._largest + 1, shape).astype(np.uint8)
