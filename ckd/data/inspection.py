"""What a data set holds and what its binning makes of it, for somebody who has not trained on it yet."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ckd.config import Data
from ckd.data.base import Source, Stills
from ckd.data.fitting import LONGEST_STEP, STEPS, fitted
from ckd.data.material import look_at
from ckd.data.sources import open_source
from ckd.data.split import make_split
from ckd.data.survey import Survey
from ckd.errors import DatasetError
from ckd.events import Frames
from ckd.events.types import Int

SHOWN = 8
"""Classes in the picture and among the frames that are measured."""


@dataclass(frozen=True, kw_only=True)
class OfClass:
    """A class; what its recordings hold is None of those that are no events on disk."""

    name: str
    recordings: int
    images: int
    milliseconds: float | None
    """The median of their durations."""
    events: int | None
    """The median."""
    events_per_ms: float | None


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """All that is told; `source`, `stills`, `rows` and `frames` are for the picture."""

    data: Data
    """With what the recordings decide."""
    classes: list[OfClass]
    extent: tuple[int, int] | None
    """Height and width in pixels that events reach."""
    kept: float | None
    """Share of recordings of which the binning keeps nine tenths of the events or more."""
    lit: list[float]
    """Share of pixels and polarities that are not 0, by step, in a recording a class."""
    notes: list[str]
    refusal: str | None
    """Why no training can come out right; None where one can."""
    distills: bool
    """Whether every class has images, which distillation needs."""
    binned: bool
    """Whether `data` says how recordings become frames; not where they cannot have been meant as they are."""
    source: Source
    stills: Stills
    rows: Int
    """A recording a class, of at most `SHOWN` classes."""
    frames: Frames | None

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        plain = ("extent", "kept", "lit", "notes", "refusal")
        names = ("sensor", "size", "step_us", "time_steps", "max_count")
        binning = {name: getattr(self.data, name) if self.binned else None for name in names}
        return {
            "classes": [asdict(each) for each in self.classes],
            **{name: getattr(self, name) for name in plain},
            **binning,
        }


def inspect_data(data: Data) -> Inspection:
    """Look at a data set as a training would before it begins.

    Raises:
        DatasetError, RecordingError: it is not there, or a recording cannot be read.
    """
    refusal: str | None = None
    binned = True
    try:
        data, notes = fitted(data)
    except DatasetError as error:
        if not (data.step_us and data.time_steps) and data.data_root is not None:
            refusal, notes, binned = str(error), [], False
            data = replace(data, step_us=data.step_us or LONGEST_STEP, time_steps=data.time_steps or STEPS)
        else:
            raise
    source = open_source(data)
    found = source.survey()
    try:
        notes += look_at(source, found) if refusal is None else source.remarks()
        if refusal is None:
            make_split(source, data, seed=0)  # refuses classes of too few recordings
    except DatasetError as error:
        refusal = str(error)
    stills = source.stills()
    rows = np.asarray([int(np.argmax(source.labels == k)) for k in range(min(SHOWN, len(source.classes)))], np.int64)
    frames = source.frames(rows)[:] if refusal is None else None
    lit = [] if frames is None else [float(share) for share in (frames > 0).mean((0, 2, 3, 4))]
    classes = [_of_class(name, k, source, stills.labels, found) for k, name in enumerate(source.classes)]
    bare = [each.name for each in classes if not each.images]
    if bare:
        notes.append(
            f"{len(bare)} of {len(classes)} classes have no images, {bare[0]} is the first: distillation needs some of "
            "every class; add them, leave classes out with --classes, or train with --no-distill"
        )
    return Inspection(
        data=data, classes=classes, extent=None if found is None else found.extent, kept=_kept(found, data), lit=lit,
        notes=[*notes, *_on_lit(lit)], refusal=refusal, distills=not bare, binned=binned, source=source, stills=stills,
        rows=rows, frames=frames,
    )  # fmt: skip


def _of_class(name: str, label: int, source: Source, still_labels: Int, found: Survey | None) -> OfClass:
    milliseconds = events = rate = None
    here = np.zeros(0, bool) if found is None else source.labels[found.rows] == label
    if found is not None and here.any():
        milliseconds = float(np.median(found.duration[here])) / 1000
        events = int(np.median(found.events[here]))
        rate = float(found.events[here].sum() / max(1, found.duration[here].sum()) * 1000)
    return OfClass(
        name=name,
        recordings=int((source.labels == label).sum()),
        images=int((still_labels == label).sum()),
        milliseconds=milliseconds,
        events=events,
        events_per_ms=rate,
    )


def _kept(found: Survey | None, data: Data) -> float | None:
    return None if found is None else float((found.most < data.step_us * data.time_steps).mean())


def _on_lit(lit: list[float]) -> list[str]:
    if not lit:
        return []
    if max(lit) > 0.5:
        return [f"in the fullest step {max(lit):.0%} of a frame is lit, which hides what moves; lower --step-us"]
    if max(lit) < 0.002:
        return [f"in the fullest step {max(lit):.2%} of a frame is lit; raise --step-us, or lower --size"]
    return []
