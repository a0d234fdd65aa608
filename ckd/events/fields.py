"""The four numbers of an event under the names, and in the order, in which other tools write them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ckd.errors import RecordingError

NAMES = {
    "x": ("x",),
    "y": ("y",),
    "t": ("t", "ts", "timestamp", "timestamps"),
    "p": ("p", "pol", "polarity", "polarities"),
}
"""By our name of a field, what it may be called."""


def field_names(path: Path, found: Iterable[str]) -> dict[str, str]:
    """What x, y, t and p are called among the names that a file has. Raises RecordingError where one is missing."""
    found = list(found)
    names = {field: next((name for name in known if name in found), "") for field, known in NAMES.items()}
    missing = [field for field, name in names.items() if not name]
    if missing:
        wanted = "; ".join(" or ".join(known) for known in NAMES.values())
        has = ", ".join(map(str, found[:12])) or "none"
        raise RecordingError(f"{path}: has no {missing[0]!r} among its fields ({has}); expected {wanted}")
    return names


def columns(path: Path, rows: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """x, y, t and p of rows of four numbers. Raises RecordingError where they stand in another order, as t, x, y, p."""
    x, y, t, p = rows.T
    if len(rows) > 1 and _is_time(x) and not _is_time(t) and x[-1] > t.max():
        raise RecordingError(
            f"{path}: its columns seem to be t, x, y, p, for the first is in order of time, and the third is not; "
            "expected x, y, t, p: save array[:, [1, 2, 0, 3]]"
        )
    return x, y, t, p


def whole_numbers(path: Path, name: str, values: NDArray[Any]) -> None:
    """Raise RecordingError where values are no whole numbers; times with fractions are seconds, mostly."""
    if values.dtype.kind != "f" or not len(values):
        return
    odd = ~np.isfinite(values) | (values != np.floor(values))
    if odd.any():
        hint = "; microseconds are needed: where these are seconds, save t * 1e6 as integers" if name == "t" else ""
        raise RecordingError(
            f"{path}: {name} holds {values[odd][0]}, which is no whole number, {int(odd.sum())} times in "
            f"{len(values)}{hint}"
        )


def polarities(path: Path, p: NDArray[Any]) -> None:
    """Raise RecordingError where polarities are neither 0 and 1 nor -1 and 1."""
    if p.dtype.kind != "b" and len(p) and not -1 <= p.min() <= p.max() <= 1:
        raise RecordingError(
            f"{path}: p reaches from {p.min()} to {p.max()}; allowed are 1 where light rose, 0 or -1 where it fell"
        )


def _is_time(values: NDArray[Any]) -> bool:
    return bool((values[1:] >= values[:-1]).all()) and values[0] != values[-1]
