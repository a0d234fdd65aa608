"""Recordings of an event camera, and how they become frames. Imports numpy only: the deploy wing uses this.

An event says that at time `t` (microseconds) the light on pixel (`x`, `y`) rose (`p` = 1) or fell (`p` = 0).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ckd.errors import RecordingError
from ckd.files import write_then_rename

__all__ = [
    "EVENT_DTYPE",
    "Binning",
    "Events",
    "Frames",
    "RecordingError",
    "find_recordings",
    "load_frames",
    "read_recording",
    "to_frames",
    "write_recording",
    "write_then_rename",
]

EVENT_DTYPE = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.int8)])

FORMATS = (".bin", ".npy", ".npz", ".dat", ".raw", ".aedat", ".aedat4")
"""Endings of files that `read_recording` knows."""

Events = NDArray[np.void]
"""Structured array of `EVENT_DTYPE`, in order of time."""

Frames = NDArray[np.uint8]
"""Event counts per step, (T, 2, H, W) for one recording and (R, T, 2, H, W) for several."""


@dataclass(frozen=True, kw_only=True)
class Binning:
    """How events become frames: `steps` steps of `step_us` microseconds of `height` x `width` pixels.

    Step i holds the events with i * step_us <= t - t_first < (i + 1) * step_us: an event on a border belongs to
    the later step. Events after the last step are left out. A pixel's count stops at `max_count`; with 1 the
    frames are binary, which is what a chip without graded spikes can take.

    `sensor` is the (height, width) of the camera where it has more pixels than the frames; each pixel of a frame then
    gathers a rectangle of the sensor's. None: the camera has the frames' size.
    """

    step_us: int
    steps: int
    height: int
    width: int
    max_count: int = 1
    sensor: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.sensor is not None:
            # A file gives a list.
            object.__setattr__(self, "sensor", (int(self.sensor[0]), int(self.sensor[1])))
        for name in ("step_us", "steps", "height", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"binning: {name} (={getattr(self, name)}) must be at least 1")
        if not 1 <= self.max_count <= 255:
            raise ValueError(f"binning: max_count (={self.max_count}) must lie between 1 and 255")

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(polarities, height, width); channel 0 holds falling light, channel 1 rising light."""
        return (2, self.height, self.width)


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
    events = np.ascontiguousarray(events, EVENT_DTYPE)
    frames = np.zeros((binning.steps, *binning.frame_shape), np.uint8)
    if count_frames(events, int(events["t"][0]), binning, frames, name=name):
        # Not in order of time after all: looking for the first event costs another pass.
        frames[:] = 0
        count_frames(events, int(events["t"].min()), binning, frames, name=name)
    return frames


def count_frames(events: Events, start: int, binning: Binning, frames: Frames, *, name: str = "recording") -> int:
    """Count further events into frames (T, 2, H, W), whose first step begins at `start` microseconds.

    Returns:
        how many events came before `start` and were left out.

    Raises:
        RecordingError: events outside the sensor.
    """
    from ckd.binning import count_events

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


def read_recording(path: Path) -> Events:
    """Read one recording; the file's ending says its format: .bin (N-MNIST, five bytes an event, big endian), .npy and
    .npz (arrays x, y, t, p), and .dat, .raw, .aedat, .aedat4 by libraries of the extra `events`.

    Raises:
        RecordingError: missing, truncated, empty, or of a format that cannot be read.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise RecordingError(
            f"{path}: recordings of format {path.suffix!r} cannot be read; known: {', '.join(FORMATS)}"
        )
    if not path.is_file():
        raise RecordingError(f"{path}: no such recording")
    if path.suffix == ".bin":
        events = _read_nmnist(path)
    else:
        from ckd.readers import read_other

        events = read_other(path)
    if len(events) == 0:
        raise RecordingError(f"{path}: holds no events; remove it or record it again")
    return events


def gather_pixels(events: Events, binning: Binning) -> Events:
    """Events of the binning's sensor on the pixels of its frames. Those outside the sensor stay outside."""
    assert binning.sensor is not None
    gathered = events.copy()
    for name, size, extent in (("y", binning.height, binning.sensor[0]), ("x", binning.width, binning.sensor[1])):
        gathered[name] = events[name].astype(np.int64) * size // extent
    return gathered


def write_recording(path: Path, events: Events) -> None:
    """Write one recording in N-MNIST's format (.bin): sensors up to 256 x 256, times below 2^23 microseconds."""
    x, y, t, p = (events[field].astype(np.int64) for field in ("x", "y", "t", "p"))
    if len(t) and (t.max() >= 1 << 23 or max(x.max(), y.max()) > 255):
        raise RecordingError(f"{path}: .bin holds times below 2^23 us and pixels below 256; this recording has more")
    columns = np.stack([x, y, (p << 7) | (t >> 16), (t >> 8) & 255, t & 255], axis=1)
    with write_then_rename(Path(path)) as temporary:
        temporary.write_bytes(columns.astype(np.uint8).tobytes())


def find_recordings(root: Path) -> tuple[list[Path], list[str]]:
    """Every recording below `root` as <class>/<file>, in order of class and name.

    Returns:
        paths, and the class name of each (its folder's name).

    Raises:
        RecordingError: `root` is missing or holds no recordings.
    """
    root = Path(root)
    if not root.is_dir():
        raise RecordingError(f"{root}: no such folder; expected one folder per class with recordings in it")
    paths = sorted(path for path in root.glob("*/*") if path.suffix in FORMATS)
    if not paths:
        raise RecordingError(
            f"{root}: no recordings found; expected {root}/<class>/<recording>, one of {', '.join(FORMATS)}"
        )
    return paths, [path.parent.name for path in paths]


def load_frames(paths: list[Path], binning: Binning) -> Frames:
    """Read recordings and bin them: (R, T, 2, H, W) uint8. Raises RecordingError for the first that is unusable."""
    frames = np.empty((len(paths), binning.steps, *binning.frame_shape), np.uint8)
    for row, path in enumerate(paths):
        frames[row] = to_frames(read_recording(path), binning, name=str(path))
    return frames


def _read_nmnist(path: Path) -> Events:
    """x, y, then one bit of polarity and 23 bits of time (Orchard et al. 2015)."""
    return decode_nmnist(np.fromfile(path, np.uint8), path)


def decode_nmnist(raw: NDArray[np.uint8], path: Path) -> Events:
    """Events from bytes of an N-MNIST file; `path` is named where they are no whole events."""
    if len(raw) % 5:
        raise RecordingError(
            f"{path}: {len(raw)} bytes is no multiple of 5, the size of an event; the file is truncated, copy it again"
        )
    columns = raw.reshape(-1, 5).astype(np.int64)
    events = np.empty(len(columns), EVENT_DTYPE)
    events["x"], events["y"], events["p"] = columns[:, 0], columns[:, 1], columns[:, 2] >> 7
    events["t"] = ((columns[:, 2] & 127) << 16) | (columns[:, 3] << 8) | columns[:, 4]
    return events
