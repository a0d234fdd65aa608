"""Which recordings stand for all of them."""

from collections.abc import Sequence

import numpy as np

from deploy.network import Array


def over_classes(labels: Array | None, recordings: int, count: int, first: int = 0) -> list[int]:
    """Numbers of `count` of the recordings, ascending: the first ones, then one of each class in turn.

    Args:
        labels: (R,) the class of each; None: spread evenly over all.
        recordings: R.
        count: how many.
        first: how many of the first ones are among them, because their potentials were kept, say.
    """
    if count >= recordings:
        return list(range(recordings))
    chosen = list(range(min(first, count)))
    if labels is None:
        rest = np.setdiff1d(np.arange(recordings), chosen)
        spread = np.linspace(0, len(rest) - 1, count - len(chosen)).round().astype(int)
        return sorted([*chosen, *rest[spread].tolist()])
    had = set(chosen)
    turns = [row for row in in_turn(labels, chosen) if row not in had]
    return sorted([*chosen, *turns[: count - len(chosen)]])


def in_turn(labels: Array, first: Sequence[int] = ()) -> list[int]:
    """All recordings, one of every class, then a second of every class, and so on; `first` of them count as had."""
    seen: dict[int, int] = {}
    turns, had = [], set(first)
    for row in [*first, *(row for row in range(len(labels)) if row not in had)]:
        label = int(labels[row])
        seen[label] = seen.get(label, 0) + 1
        turns.append((seen[label], row))
    return [row for _, row in sorted(turns)]
