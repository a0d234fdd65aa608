"""Sets of neurons, steps and recordings in words: "channel 3", "neurons 1024 to 2047", "from step 4 on"."""

from collections.abc import Sequence

import numpy as np

from deploy.network import Array

FEW = 6
"""Numbers that are listed; more are counted."""

MOSTLY = 0.8
"""Share of a block that makes it the name of what lies in it."""

AXES = {1: ("neuron",), 2: ("row", "column"), 3: ("channel", "row", "column")}
"""What the axes of a layer are called, by their number; other layers have axes by number."""


def neurons_in_words(where: Array) -> str:
    """Which neurons of a layer (bool, of its shape): a block by its axes where it is one, else the first few."""
    count, size = int(where.sum()), where.size
    if count == size:
        return f"all {size:,} neurons"
    names = AXES.get(where.ndim, tuple(f"axis {axis}" for axis in range(where.ndim)))
    sides = [
        np.flatnonzero(where.any(axis=tuple(a for a in range(where.ndim) if a != axis))) for axis in range(where.ndim)
    ]
    if count == np.prod([len(side) for side in sides]):
        parts = [
            numbers(name, side.tolist())
            for name, side, whole in zip(names, sides, where.shape, strict=True)
            if len(side) < whole
        ]
        return f"{', '.join(parts)} ({count:,} of {size:,} neurons)"
    box = int(np.prod([len(side) for side in sides]))
    parts = [
        numbers(name, side.tolist()) for name, side, n in zip(names, sides, where.shape, strict=True) if len(side) < n
    ]
    if parts and count >= MOSTLY * box:
        return f"{', '.join(parts)} ({count:,} of these {box:,} neurons)"
    if where.ndim > 1:
        flat = np.flatnonzero(where.reshape(-1))
        if flat[-1] - flat[0] + 1 == len(flat):
            return f"neurons {flat[0]} to {flat[-1]}, counted flat ({count:,} of {size:,})"
    listed = ", ".join(str(tuple(int(i) for i in at)) for at in np.argwhere(where)[:FEW])
    more = "" if count <= FEW else f" and {count - FEW:,} more"
    around = [
        numbers(name, _span(side)) for name, side, n in zip(names, sides, where.shape, strict=True) if len(side) < n
    ]
    within = f", within {', '.join(around)}" if around and count > FEW else ""
    return f"{count:,} of {size:,} neurons: {listed}{more}{within}"


def numbers(name: str, values: Sequence[int]) -> str:
    """Ascending numbers of one kind: "channel 3", "rows 0 to 2", "neurons 15, 31 and 47, every 16th", "steps 2, 5"."""
    values = list(values)
    first, last = values[0], values[-1]
    if len(values) == 1:
        return f"{name} {first}"
    if last - first + 1 == len(values):
        return f"{name}s {first} to {last}"
    apart = values[1] - first
    if len(values) > 2 and values == list(range(first, last + 1, apart)):
        return f"{name}s {first} to {last}, every {_th(apart)}"
    more = f" and {len(values) - FEW} more" if len(values) > FEW else ""
    return f"{name}s {', '.join(map(str, values[:FEW]))}{more}"


def steps_in_words(steps: Sequence[int], whole: int) -> str:
    """Which of `whole` steps: "from step 4 on", "in step 9 alone", "in steps 2 to 5", "in all 14 steps"."""
    steps = list(steps)
    if len(steps) == whole:
        return f"in all {whole} steps"
    if len(steps) == 1:
        return f"in step {steps[0]} alone"
    if steps == list(range(steps[0], whole)):
        return f"from step {steps[0]} on"
    if steps[0] and len(steps) > (whole - steps[0]) / 2:
        return f"from step {steps[0]} on, in {len(steps)} of {whole - steps[0]} steps"
    return f"in {numbers('step', steps)}"


def recordings_in_words(rows: Sequence[int], whole: int) -> str:
    """Which of `whole` recordings."""
    rows = list(rows)
    return f"in all {whole} recordings" if len(rows) == whole else f"in {numbers('recording', rows)} of {whole}"


def _span(side: Array) -> list[int]:
    return list(range(int(side[0]), int(side[-1]) + 1))


def _th(number: int) -> str:
    return f"{number}{'nd' if number == 2 else 'rd' if number == 3 else 'th'}"
