"""A checksum of each step's states: every potential of every recording is compared at 8 bytes a step."""

import numba
import numpy as np
from numpy.typing import NDArray

from deploy.network import Array


def digest(states: Array) -> NDArray[np.uint64]:
    """A 64-bit checksum of the neurons of each recording and step.

    The sum over neurons of splitmix64's mix (Steele et al., OOPSLA 2014) of value and position: any two states differ
    in it but for a chance of 2^-64, and it costs less than the step that made them. It guards against mistakes, not
    against forgery.

    Args:
        states: (R, T, ...) integers; taken as int32.

    Returns:
        (R, T) uint64.
    """
    rows = np.ascontiguousarray(states, dtype=np.int32).reshape(*states.shape[:2], -1)
    return _digest(rows)


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _digest(rows: NDArray[np.int32]) -> NDArray[np.uint64]:
    out = np.zeros(rows.shape[:2], np.uint64)
    for r in range(rows.shape[0]):
        for t in range(rows.shape[1]):
            total = np.uint64(0)
            place = np.uint64(0)
            for n in range(rows.shape[2]):
                place += np.uint64(0x9E3779B97F4A7C15)
                x = place ^ np.uint64(np.uint32(rows[r, t, n]))
                x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                total += x ^ (x >> np.uint64(31))
            out[r, t] = total
    return out
