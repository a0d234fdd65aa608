"""A recording from outside, events or frames, as frames; fields, places and times that are wrong are refused."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ckd.config import Data
from ckd.data.checks import SHOWN_AT_LEAST
from ckd.errors import DatasetError, RecordingError
from ckd.events import EVENT_DTYPE, Binning, Events, Frames, to_frames


def refuse_other_sensor(items: Any, data: Data, what: str) -> None:
    """Raise DatasetError where a data set says another `sensor_size`, (width, height, polarities), than `data` does."""
    said = getattr(items, "sensor_size", None)
    if not isinstance(said, list | tuple) or len(said) != 3 or getattr(items, "transform", None) is not None:
        return
    height, width = int(said[1]), int(said[0])
    expected = data.sensor or (data.size, data.size)
    if expected != (height, width):
        square = f"--size {height}, or " if height == width else ""
        raise DatasetError(
            f"{what}: has a sensor of {height} x {width} pixels, the configuration one of {expected[0]} x "
            f"{expected[1]}; give {square}--sensor {height} {width}"
        )


def as_array(content: Any, what: str) -> NDArray[Any]:
    """The content of an item as an array. Raises RecordingError where it is none of numbers."""
    try:
        array = np.asarray(content)
    except Exception as error:
        raise RecordingError(f"{what}: is no array ({error})") from None
    if array.dtype.hasobject or (array.dtype.names is None and array.dtype.kind not in "biuf"):
        raise RecordingError(f"{what}: is a {type(content).__name__}; it must be an array of events or of frames")
    return array


def as_frames(content: NDArray[Any], binning: Binning, what: str) -> tuple[Frames, int | None]:
    """Frames (T, 2, H, W) uint8 of a recording, and how long it lasts in microseconds (None: it was frames already).

    Args:
        content: events with fields x, y, t, p, or counts (T, 2, H, W).
        binning: of the run.
        what: what an error message calls the recording.

    Raises:
        RecordingError: it holds no events, lacks a field, or has another form, other places or times than the binning.
    """
    if content.dtype.names is None:
        return _counts(content, binning, what), None
    events = _events(content, binning, what)
    return to_frames(events, binning, name=what), int(events["t"].max() - events["t"].min())


def refuse_other_units(durations: list[int], binning: Binning, what: str) -> None:
    """Raise DatasetError where half of the recordings or more last so short or long that no microseconds were meant.

    Args:
        durations: of recordings, in what should be microseconds.
        binning: of the run.
        what: what an error message calls the data set.
    """
    shown = binning.steps * binning.step_us
    short = [lasts for lasts in durations if lasts < binning.step_us] if binning.steps > 1 else []
    long = [lasts for lasts in durations if lasts > SHOWN_AT_LEAST * shown]
    if 2 * len(short) >= len(durations) and short:
        raise DatasetError(
            f"{what}: {len(short)} of {len(durations)} recordings last {max(short)} us or less, and a step lasts "
            f"{binning.step_us} us; are their times in seconds or milliseconds? Microseconds are needed; or lower "
            "--step-us"
        )
    if 2 * len(long) >= len(durations) and long:
        raise DatasetError(
            f"{what}: {len(long)} of {len(durations)} recordings last {min(long)} us or more, of which --time-steps "
            f"and --step-us show {shown}; are their times in nanoseconds? Microseconds are needed; or raise --step-us"
        )


def _events(content: NDArray[Any], binning: Binning, what: str) -> Events:
    fields = content.dtype.names or ()
    missing = [name for name in "xytp" if name not in fields]
    if missing:
        raise RecordingError(
            f"{what}: its events have no field {missing[0]!r}; they have {', '.join(fields)}, of x, y, t, p"
        )
    if content.ndim != 1:
        raise RecordingError(f"{what}: its events have shape {content.shape}; one after the other is needed")
    if len(content) == 0:
        raise RecordingError(f"{what}: holds no events; nothing can be classified from it, leave it out")
    for name in "xytp":
        _require_whole(content[name], name, what)
    height, width = binning.sensor or (binning.height, binning.width)
    x, y, p = (content[name] for name in "xyp")
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    if outside.any():
        first = int(np.argmax(outside))
        raise RecordingError(
            f"{what}: {int(outside.sum())} of {len(content)} events lie outside the sensor, the first at x={x[first]}, "
            f"y={y[first]}; allowed are 0 <= x < {width}, 0 <= y < {height}; give the camera's --sensor HEIGHT WIDTH"
        )
    # Some sets say -1 for falling light.
    odd = ~np.isin(p, (-1, 0, 1))
    if odd.any():
        raise RecordingError(
            f"{what}: has the polarity p={p[odd][0]}; allowed are 1 (rising), and 0 or -1 (falling light)"
        )
    events = np.empty(len(content), EVENT_DTYPE)
    events["x"], events["y"], events["t"], events["p"] = x, y, content["t"], p > 0
    return events


def _require_whole(values: NDArray[Any], name: str, what: str) -> None:
    if values.dtype.kind in "biu":
        return
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        raise RecordingError(f"{what}: its field {name!r} holds {values.dtype}s that are no whole numbers")
    if (values != np.floor(values)).any():
        hint = "; are its times in seconds? Microseconds are needed" if name == "t" else ""
        raise RecordingError(
            f"{what}: its field {name!r} holds fractions, the first {values[values % 1 != 0][0]}{hint}"
        )


def _counts(content: NDArray[Any], binning: Binning, what: str) -> Frames:
    wanted = (binning.steps, *binning.frame_shape)
    if content.shape != wanted:
        hint = ""
        if content.ndim == 4 and content.shape[1] == 2 and content.shape[2] == content.shape[3]:
            hint = f"; give --time-steps {content.shape[0]} --size {content.shape[3]}"
        raise RecordingError(
            f"{what}: has no fields x, y, t, p, so it must be frames of shape {wanted}, and has {content.shape}{hint}"
        )
    whole = np.isfinite(content).all() and (content == np.floor(content)).all() and content.min() >= 0
    if not whole:
        raise RecordingError(
            f"{what}: its frames hold {content.min()} to {content.max()}; they must be counts of events"
        )
    if not content.any():
        raise RecordingError(f"{what}: holds no events; nothing can be classified from it, leave it out")
    return np.minimum(content, binning.max_count).astype(np.uint8)
