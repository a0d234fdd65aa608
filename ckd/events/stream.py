"""Recordings longer than memory: events chunk by chunk, frames block by block."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ckd.errors import RecordingError
from ckd.events.arrays import npy_header
from ckd.events.binning import Binning
from ckd.events.decoded import stream_decoded
from ckd.events.fields import columns, field_names
from ckd.events.frames import count_frames
from ckd.events.prophesee import prophesee_encoding
from ckd.events.readers import decode_nmnist, pack_events
from ckd.events.recordings import read_recording
from ckd.events.types import Events, Frames
from ckd.files import how_to_install

CHUNK = 1 << 20
"""Events held at once."""


MOST_EMPTY = 1_000_000
"""Steps without an event that a stream makes frames of: a camera's noise alone leaves none so long."""


def stream_events(path: Path | str, chunk: int = CHUNK) -> Iterator[Events]:
    """The events of a recording in order of time, `chunk` at a time.

    .bin, .npy, .dat and .raw are read piece by piece; the other formats' libraries read a file whole.

    Raises:
        RecordingError: missing, unreadable, empty, or not in order of time.
    """
    path = Path(path)
    if not path.is_file():
        raise RecordingError(f"{path}: no such recording")
    before = np.iinfo(np.int64).min
    for events in _pieces(path, chunk):
        t = np.concatenate([[before], events["t"]])
        back = np.flatnonzero(t[1:] < t[:-1])
        if len(back):
            raise RecordingError(
                f"{path}: time goes back from {t[back[0]]} to {t[back[0] + 1]} us; a stream must be in order, sort "
                "the file by time"
            )
        before = t[-1]
        yield events
    if before == np.iinfo(np.int64).min:
        raise RecordingError(f"{path}: holds no events; remove it or record it again")


def stream_frames(path: Path | str, binning: Binning, block: int = 100) -> Iterator[Frames]:
    """Frames (block, 2, H, W) of a whole recording, the last block shorter: it ends with the last event's step.

    The frames are those of `to_frames`, but go on to the recording's end whatever `binning.steps` says.

    Raises:
        RecordingError: as `stream_events`, or events outside the sensor.
    """
    frames = np.zeros((block, *binning.frame_shape), np.uint8)
    start, last = None, 0
    for events in stream_events(path):
        start = binning.start(int(events["t"][0])) if start is None else start
        while len(events):
            empty = (int(events["t"][0]) - start) // binning.step_us - last
            if empty > MOST_EMPTY:
                raise RecordingError(
                    f"{path}: time leaps to {events['t'][0]} us, {empty:,} steps without an event; allowed are "
                    f"{MOST_EMPTY:,}, take longer steps or cut the recording there"
                )
            here = np.searchsorted(events["t"], start + block * binning.step_us)
            count_frames(events[:here], start, binning, frames, name=str(path))
            if here:
                last = (int(events["t"][here - 1]) - start) // binning.step_us
            events = events[here:]
            if len(events):
                yield frames
                frames = np.zeros_like(frames)
                start += block * binning.step_us
    yield frames[: last + 1]


def _pieces(path: Path, chunk: int) -> Iterator[Events]:
    if path.suffix == ".bin":
        yield from _nmnist(path, chunk)
    elif path.suffix == ".npy":
        yield from _npy(path, chunk)
    elif path.suffix in (".dat", ".raw"):
        yield from _prophesee(path, chunk)
    else:
        yield read_recording(path)


def _nmnist(path: Path, chunk: int) -> Iterator[Events]:
    with path.open("rb") as file:
        while raw := file.read(5 * chunk):
            yield decode_nmnist(np.frombuffer(raw, np.uint8), path)


def _npy(path: Path, chunk: int) -> Iterator[Events]:
    """Pieces read from the file: a memory map would fill the memory with what was read."""
    with path.open("rb") as file:
        shape, columns_first, dtype = npy_header(path, file, path.stat().st_size)
        values = 1 if dtype.names else 4
        names = field_names(path, dtype.names) if dtype.names else {}
        plain = not any(dtype[name].shape for name in names.values())
        if shape[1:] != (() if dtype.names else (4,)) or columns_first or not plain:
            raise RecordingError(
                f"{path}: array of {dtype} and shape {shape}; a stream takes fields x, y, t, p or rows of those four"
            )
        for first in range(0, shape[0], chunk):
            part = np.fromfile(file, dtype, min(chunk, shape[0] - first) * values)
            fields = [part[names[name]] for name in "xytp"] if names else columns(path, part.reshape(-1, 4))
            yield pack_events(path, *fields)


def _prophesee(path: Path, chunk: int) -> Iterator[Events]:
    try:
        for part in stream_decoded(path, prophesee_encoding(path), chunk):
            if len(part[0]):
                yield pack_events(path, *part)
    except ImportError as error:
        raise RecordingError(f"{path}: reading {path.suffix} needs {error.name}: {how_to_install('events')}") from None
