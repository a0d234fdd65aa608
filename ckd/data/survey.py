"""What recordings on disk hold, before anything is decided about them: events, times and places of each."""

import sys
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

import ckd.events
from ckd.data.cache import cached_arrays, stamps
from ckd.events import read_recording
from ckd.events.types import Int

MOST = 5000
"""Recordings that are read; of more, as many that lie evenly among them."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """One number a recording that was read, (N,) int64 each."""

    rows: Int
    """Which recordings of the data set these are."""
    events: Int
    duration: Int
    """From the first to the last event, in what should be microseconds."""
    height: Int
    """Rows of pixels that its events reach, from 0."""
    width: Int
    usual_height: Int
    """The same of all events but a thousandth."""
    usual_width: Int
    least: Int
    """The smallest coordinate; below 0 something is wrong."""
    rising: Int
    """Events of rising light."""
    most: Int
    """Microseconds after the first event at which nine tenths of them have come."""

    @property
    def extent(self) -> tuple[int, int]:
        """Height and width that the events of all reach."""
        return int(self.height.max()), int(self.width.max())

    @property
    def lasts(self) -> float:
        """The median of the durations, in microseconds."""
        return float(np.median(self.duration))


def survey(paths: list[Path]) -> Survey:
    """Read recordings once, as long as the files stay as they are. Raises RecordingError at one that is unusable."""
    rows = np.linspace(0, len(paths) - 1, min(MOST, len(paths))).round().astype(np.int64)
    read = [paths[row] for row in rows]
    stored = cached_arrays(
        lambda: {"survey": np.stack([_measured(path) for path in read])},
        key={"survey": stamps(read)},
        made_by=[ckd.events, sys.modules[__name__]],
    )
    names = [field.name for field in fields(Survey)]
    return Survey(**dict(zip(names, (rows, *stored["survey"].T), strict=True)))


def _measured(path: Path) -> Int:
    """All but its row, in the order of the fields; events come in order of time."""
    events = read_recording(path)
    x, y, t = (events[name].astype(np.int64) for name in "xyt")
    least, rising = min(x.min(), y.min()), int((events["p"] > 0).sum())
    most = t[int(0.9 * (len(t) - 1))] - t[0]
    extent = y.max() + 1, x.max() + 1, _usual(y) + 1, _usual(x) + 1
    return np.asarray([len(t), t[-1] - t[0], *extent, least, rising, most], np.int64)


def _usual(values: Int) -> int:
    """What all but a thousandth, and one at least, do not exceed."""
    rank = max(0, min(int(0.999 * len(values)), len(values) - 2))
    return int(np.partition(values, rank)[rank])
