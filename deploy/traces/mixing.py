"""The compiled loop of the checksum; imported on first use, so that reading traces stays light.

The integer simulator's kernels make the same sums on the fly; numba's cache does not notice a change here, so whoever
makes one changes deploy/runners/integer/kernels.py as well, if only a comment.
"""

import numba
import numpy as np
from numpy.typing import NDArray

DIGEST_STEP = np.uint64(0x9E3779B97F4A7C15)
"""By how much the constants of neighboring neurons differ, modulo 2^64; the first neuron's is once this."""


@numba.njit(nogil=True, boundscheck=False)
def mixed(constant: np.uint64, state: np.int32) -> np.uint64:
    """What a neuron adds to the checksum: splitmix64's mix of its constant and its state."""
    x = constant ^ np.uint64(np.uint32(state))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True, nogil=True, boundscheck=False)
def mix(rows: NDArray[np.int32]) -> NDArray[np.uint64]:
    """The checksums (R, T) of states (R, T, n)."""
    out = np.zeros(rows.shape[:2], np.uint64)
    for r in range(rows.shape[0]):
        for t in range(rows.shape[1]):
            total = np.uint64(0)
            constant = np.uint64(0)
            for n in range(rows.shape[2]):
                constant += DIGEST_STEP
                total += mixed(constant, rows[r, t, n])
            out[r, t] = total
    return out
