"""Events, the frames that they become, and the numbers beside them: the arrays that everything here passes on."""

import numpy as np
from numpy.typing import NDArray

EVENT_DTYPE = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.int8)])

Events = NDArray[np.void]
"""Structured array of `EVENT_DTYPE`, in order of time."""

Int = NDArray[np.int64]
"""Labels, rows and numbers of images."""

Float = NDArray[np.float32]
"""Light, currents and potentials."""

Frames = NDArray[np.uint8]
"""Event counts per step, (T, 2, H, W) for one recording and (R, T, 2, H, W) for several."""
