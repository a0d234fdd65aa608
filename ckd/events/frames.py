"""Events counted into frames."""

import numpy as np

from ckd.errors import RecordingError
from ckd.events.binning import Binning
from ckd.events.types import EVENT_DTYPE, Events, Frames


def to_frames(events: Events, binning: Binning, *, name: str = "recording") -> Frames:
    """Count events per step, polarity and pixel.

    Args:
        events: structured array of `EVENT_DTYPE`, times in microseconds, in any order.
        binning: the steps and the sensor.
        name: what an error message calls this recording.

    Returns:
        (T, 2, H, W) uint8.

    Raises:
        RecordingError: no events, or events outside the sensor.
    """
    if len(events) == 0:
        raise RecordingError(f"{name}: holds no events; nothing can be classified from it, remove it")
    events = _as_ours(events, name)
    frames = np.zeros((binning.steps, *binning.frame_shape), np.uint8)
    if count_frames(events, binning.start(int(events["t"][0])), binning, frames, name=name):
        # Not in order of time after all: looking for the first event costs another pass.
        frames[:] = 0
        count_frames(events, binning.start(int(events["t"].min())), binning, frames, name=name)
    return frames


def _as_ours(events: Events, name: str) -> Events:
    """Events of any integers as `EVENT_DTYPE`; what would be another number there is refused."""
    if events.dtype == EVENT_DTYPE:
        return np.ascontiguousarray(events)
    ours = np.empty(len(events), EVENT_DTYPE)  # by name: numpy converts fields by their place
    for field in "xytp":
        allowed, values = np.iinfo(EVENT_DTYPE[field]), events[field]
        if not allowed.min <= values.min() <= values.max() <= allowed.max:
            raise RecordingError(
                f"{name}: {field} reaches from {values.min()} to {values.max()}; allowed are "
                f"{0 if field in 'xy' else allowed.min} to {allowed.max}"
            )
        ours[field] = values
    return ours


def count_frames(events: Events, start: int, binning: Binning, frames: Frames, *, name: str = "recording") -> int:
    """Count further events into frames (T, 2, H, W), whose first step begins at `start` microseconds.

    Returns:
        how many events came before `start` and were left out.

    Raises:
        RecordingError: events outside the sensor.
    """
    from ckd.events.counting import count_events

    sensor = binning.sensor or (binning.height, binning.width)
    placed = events if binning.sensor is None else gather_pixels(events, binning)
    bad, early = count_events(placed, start, binning.step_us, binning.max_count, frames)
    if not bad:
        return early
    x, y, p = (events[field] for field in "xyp")
    outside = (x < 0) | (x >= sensor[1]) | (y < 0) | (y >= sensor[0]) | (p < 0) | (p > 1)
    first = int(np.argmax(outside))
    raise RecordingError(
        f"{name}: {int(outside.sum())} of {len(events)} events lie outside the sensor, the first at "
        f"x={x[first]}, y={y[first]}, p={p[first]}; allowed are 0 <= x < {sensor[1]}, "
        f"0 <= y < {sensor[0]}, p 0 or 1; was it recorded by another camera?"
    )


def gather_pixels(events: Events, binning: Binning) -> Events:
    """Events of the binning's sensor on the pixels of its frames. Those outside the sensor stay outside."""
    assert binning.sensor is not None
    gathered = events.copy()
    for name, size, extent in (("y", binning.height, binning.sensor[0]), ("x", binning.width, binning.sensor[1])):
        # Far outside the sensor stays outside: what int16 cannot hold would come back in.
        gathered[name] = np.clip(events[name].astype(np.int64) * size // extent, -1, np.iinfo(np.int16).max)
    return gathered
