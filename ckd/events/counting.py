"""The compiled loop that counts events; imported on first use, so that reading recordings stays light."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ckd.events.types import Events


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def count_events(events: Events, start: int, step_us: int, max_count: int, frames: NDArray[np.uint8]) -> Any:
    """Count events into frames (T, 2, H, W), step 0 beginning at time `start`; counts stop at max_count.

    Events before `start` and after the last step are left out.

    Returns:
        how many events lie outside the sensor, and how many before `start`.
    """
    steps, _, height, width = frames.shape
    flat = frames.reshape(-1)
    outside, early = 0, 0
    # The step is worked out again only when an event leaves the one before's: a division is dear.
    step, begin, end = -1, start, start
    for n in range(events.size):
        event = events[n]
        # A negative number becomes a huge unsigned one: one comparison checks both borders.
        x, y, p = np.uint64(np.int64(event.x)), np.uint64(np.int64(event.y)), np.uint64(np.int64(event.p))
        if (x >= np.uint64(width)) | (y >= np.uint64(height)) | (p > np.uint64(1)):
            outside += 1
            continue
        if event.t < begin or event.t >= end:
            step = (event.t - start) // step_us
            begin = start + step * step_us
            end = begin + step_us
        if step < 0 or step >= steps:
            early += step < 0
            continue
        cell = ((np.uint64(step) * np.uint64(2) + p) * np.uint64(height) + y) * np.uint64(width) + x
        flat[cell] += flat[cell] < max_count
    return outside, early
