"""The compiled loop of the checksum; imported on first use, so that reading traces stays light."""

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True, boundscheck=False)
def mix(rows: NDArray[np.int32]) -> NDArray[np.uint64]:
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
