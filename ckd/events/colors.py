"""Frames as colors: light that rose red, light that fell blue, on white."""

import numpy as np
from numpy.typing import NDArray

from ckd.events.types import Frames


def colored(frames: Frames) -> NDArray[np.float32]:
    """Counts (..., 2, H, W) as colors (..., H, W, 3) from 0 to 1; the largest count of them all is the full color."""
    counts = np.minimum(frames.astype(np.float32) / max(1, int(frames.max(initial=0))), 1)
    fell, rose = counts[..., 0, :, :], counts[..., 1, :, :]
    return np.stack([1 - fell, 1 - np.maximum(fell, rose), 1 - rose], axis=-1)
