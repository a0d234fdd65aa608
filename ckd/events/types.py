"""Events, and the frames that they become: the arrays that everything here passes on."""

import numpy as np
from numpy.typing import NDArray

EVENT_DTYPE = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.int8)])

Events = NDArray[np.void]
"""Structured array of `EVENT_DTYPE`, in order of time."""

Frames = NDArray[np.uint8]
"""Event counts per step, (T, 2, H, W) for one recording and (R, T, 2, H, W) for several."""
