"""Where a random graph gets its choices from: hypothesis, which shrinks what fails, or a seed."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from hypothesis import strategies as st

T = TypeVar("T")


class Choices(Protocol):
    """`rng` gives the numbers in arrays, which need not shrink."""

    rng: np.random.Generator

    def one_of(self, values: Sequence[T]) -> T:
        """One of several; the first is the simplest."""
        ...


class Drawn:
    """By hypothesis."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw, self.rng = draw, np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def one_of(self, values: Sequence[T]) -> T:
        return self.draw(st.sampled_from(values))


class Seeded:
    """By a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def one_of(self, values: Sequence[T]) -> T:
        return values[int(self.rng.integers(len(values)))]
