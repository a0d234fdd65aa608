"""What every runner asks of the frames that it is given."""

import numpy as np

from deploy.errors import FramesError, shown
from deploy.network.types import Array, Shape

MAX_COUNT = 255


def require_frames(frames: Array, shape: Shape, *, counts: bool = True) -> None:
    """Refuse frames that are no (R, T, *shape) array with at least one recording and one step.

    Args:
        frames: what a runner is given.
        shape: of one step.
        counts: whether they must hold counts from 0 to 255; a float network takes any number.

    Raises:
        FramesError: what they are, what is expected.
    """
    if not isinstance(frames, np.ndarray):
        raise FramesError(f"frames are a numpy array (R, T, ...), not a {type(frames).__name__}")
    if frames.ndim != len(shape) + 2 or frames.shape[2:] != shape:
        raise FramesError(f"frames of shape {frames.shape} do not fit; this network takes (R, T, {str(shape)[1:]}")
    if 0 in frames.shape[:2]:
        raise FramesError(f"frames of shape {frames.shape} hold nothing to run; give at least a recording and a step")
    if frames.dtype in (np.uint8, np.bool_):
        return
    allowed = np.zeros(frames.shape, bool)
    if frames.dtype.kind in "iuf":
        allowed = (frames >= 0) & (frames <= MAX_COUNT) & (frames == np.rint(frames)) if counts else np.isfinite(frames)
    if not allowed.all():
        odd = shown(frames[~allowed].flat[0])
        what = f"whole numbers from 0 to {MAX_COUNT}: counts, or spikes as 0 and 1" if counts else "finite numbers"
        raise FramesError(f"frames of {frames.dtype} hold {odd}; allowed are {what}")
