"""How long several things take that are compared: they take turns, so that a busy machine is busy for all."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Name = TypeVar("Name")


def in_turns(
    works: Mapping[Name, Callable[[], Any]],
    rounds: int,
    *,
    uncounted: int = 2,
    clock: Callable[[], float] = time.process_time,
) -> dict[Name, list[float]]:
    """Seconds of each in every round, after some that do not count."""
    times: dict[Name, list[float]] = {name: [] for name in works}
    for turn in range(uncounted + rounds):
        for name, work in works.items():
            started = clock()
            work()
            if turn >= uncounted:
                times[name].append(clock() - started)
    return times
