"""What quantizing did to each parameter: the report that a user reads before trusting the result."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deploy.network.types import Array


@dataclass(frozen=True, kw_only=True)
class ParameterChange:
    """One tensor before and after, both in the units of the float network.

    before, after: the element that changed most; largest_change: |after - before| there; relative_change: the mean
    |after - before| over the mean |before|; saturated: how many of `count` elements hit the end of their range.
    """

    node: str
    parameter: str
    before: float
    after: float
    largest_change: float
    relative_change: float
    saturated: int
    count: int
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare_parameter(
    node: str, parameter: str, before: Array, after: Array, *, saturated: int = 0, note: str = ""
) -> ParameterChange:
    """Describe how `before` became `after` (broadcast against each other)."""
    before, after = np.broadcast_arrays(np.asarray(before, np.float64), np.asarray(after, np.float64))
    change = np.abs(after - before)
    worst = np.unravel_index(int(change.argmax()), change.shape)
    size = float(np.abs(before).mean())
    return ParameterChange(
        node=node,
        parameter=parameter,
        before=float(before[worst]),
        after=float(after[worst]),
        largest_change=float(change[worst]),
        relative_change=float(change.mean()) / size if size else float(change.mean() > 0),
        saturated=saturated,
        count=before.size,
        note=note,
    )
