"""A data set from outside as a `Source`."""

import hashlib
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ckd.config import Data
from ckd.config.factories import make_by_name, parameters_of
from ckd.data.base import Source, Stills, binning_of, data_root
from ckd.data.cache import frames_of_a_run
from ckd.data.own.images import originals_of, read_images
from ckd.data.own.items import Label, listed_labels, named_by, names_of, numbered, read_item
from ckd.data.own.own_data import as_own_data
from ckd.data.own.recordings import as_array, as_frames, refuse_other_sensor, refuse_other_units
from ckd.data.stored import AnyFrames
from ckd.errors import DatasetError
from ckd.events import Frames
from ckd.events.types import Int


class OwnSource(Source):
    """What the factory named by --dataset returns.

    A recording's name is its class and its file where the data set lists files and labels (`data` and `targets`, as
    tonic's do); else a hash of what it holds, for which all are read. So a split that is read again finds its
    recordings or says that they are gone. Frames are not kept from run to run: nobody knows what decides them.
    """

    def __init__(self, data: Data) -> None:
        self._what = f"--dataset {data.dataset}"
        self._own = as_own_data(make_by_name(data.dataset, "--dataset", _folder(data)), self._what)
        self._items = self._own.recordings
        self.binning = binning_of(data)
        refuse_other_sensor(self._items, data, self._what)
        listed, files = listed_labels(self._items, self._recording), _files(self._items)
        if listed is None or files is None:
            listed, files = self._read_all()
        self._labels = listed
        self.classes = self._class_names(listed)
        self.labels = numbered(listed, self.classes, self._recording)
        empty = [name for label, name in enumerate(self.classes) if label not in self.labels]
        if empty:
            raise DatasetError(
                f"{self._what}: class {empty[0]!r} has no recordings; add some, or leave it out of classes"
            )
        self.names = tuple(f"{self.classes[k]}/{file}" for k, file in zip(self.labels, files, strict=True))
        images = 0 if self._own.images is None else len(self._own.images)
        self.image_ids, self._still_ids = originals_of(self._own.originals, len(self.labels), images, self._what)

    @property
    def _recording(self) -> str:
        return f"{self._what}: recording"

    def frames(self, rows: Int) -> AnyFrames:
        durations: list[int] = []
        shape = (len(rows), self.binning.steps, *self.binning.frame_shape)
        if len(rows):
            self._require_the_same(int(rows[0]))
        frames = frames_of_a_run(
            lambda block: np.stack([self._binned(int(row), durations) for row in rows[block]]),
            shape,
            bits=self.binning.max_count == 1,
        )
        refuse_other_units(durations, self.binning, self._what)
        return frames

    def _require_the_same(self, row: int) -> None:
        if _digest(self._read(row)[0]) != _digest(self._read(row)[0]):
            raise DatasetError(
                f"{self._recording} {row}: is another one when it is read again; what varies belongs to ckd's own "
                "options (--drop-events, --time-jitter), not into the data set"
            )

    def _binned(self, row: int, durations: list[int]) -> Frames:
        """A recording's frames; how long it lasts, where it is events, is added to `durations`."""
        content, label = self._read(row)
        if label != self._labels[row]:
            raise DatasetError(
                f"{self._recording} {row}: has the label {label!r}, but its data set lists {self._labels[row]!r}"
            )
        frames, duration = as_frames(content, self.binning, f"{self._recording} {row}")
        durations += [] if duration is None else [duration]
        return frames

    def stills(self) -> Stills:
        return self._stills

    @cached_property
    def _stills(self) -> Stills:
        size, items = self.binning.height, self._own.images
        if items is None:
            empty = np.zeros(0, np.int64)
            return Stills(images=np.zeros((0, 1, size, size), np.uint8), labels=empty, image_ids=empty)
        what = f"{self._what}: image"
        contents, labels = zip(*(read_item(items, row, what) for row in range(len(items))), strict=True)
        return Stills(
            images=read_images(list(contents), size, what),
            labels=self._image_labels(list(labels), what),
            image_ids=self._still_ids,
            dark_on_bright=self._own.dark_on_bright,
        )

    def _read(self, row: int) -> tuple[Any, Label]:
        content, label = read_item(self._items, row, self._recording)
        return as_array(content, f"{self._recording} {row}"), label

    def _read_all(self) -> tuple[list[Label], list[str]]:
        """Every recording's label, and a hash of what it holds with a number behind it where several hold the same."""
        labels, names, seen = [], [], {}
        for row in range(len(self._items)):
            content, label = self._read(row)
            digest = _digest(content)
            seen[label, digest] = seen.get((label, digest), 0) + 1
            labels.append(label)
            names.append(digest if seen[label, digest] == 1 else f"{digest}-{seen[label, digest]}")
        return labels, names

    def _class_names(self, labels: list[Label]) -> tuple[str, ...]:
        given = self._own.classes
        classes = tuple(map(str, given)) if given is not None else names_of(self._items) or named_by(labels)
        twice = [name for name in classes if classes.count(name) > 1]
        if twice:
            raise DatasetError(f"{self._what}: has two classes of the name {twice[0]!r}; a name is one class's")
        return classes

    def _image_labels(self, labels: list[Label], what: str) -> Int:
        """Labels of images as numbers of the recordings' classes, matched by name where both data sets name theirs."""
        theirs = names_of(self._own.images)
        if self._own.classes is not None or theirs is None or theirs == self.classes:
            return numbered(labels, self.classes, what)
        other = sorted(set(theirs) ^ set(self.classes))
        if other:
            raise DatasetError(
                f"{self._what}: recordings and images name their classes otherwise, {other[0]!r} is in one alone; say "
                "which label is which class by OwnData(classes=...)"
            )
        place = np.asarray([self.classes.index(name) for name in theirs])
        return place[numbered(labels, theirs, what)]


def _folder(data: Data) -> dict[str, Path]:
    """The argument of a factory that reads a folder."""
    needs = parameters_of(data.dataset, "--dataset").get("data_root")
    if needs is None and data.data_root is not None:
        raise DatasetError(f"--data-root {data.data_root}: {data.dataset} has no parameter data_root; leave it out")
    if needs or data.data_root is not None:
        return {"data_root": data_root(data)}
    return {}


def _files(items: Any) -> list[str] | None:
    """The file of each recording below the folder of all, where a data set lists them as `data`."""
    paths = getattr(items, "data", None)
    if not isinstance(paths, list) or len(paths) != len(items):
        return None
    if not all(isinstance(path, str | os.PathLike) for path in paths) or len(set(paths)) != len(paths):
        return None
    folder = os.path.commonpath([Path(path).parent for path in paths])
    return [Path(path).relative_to(folder).as_posix() for path in paths]


def _digest(content: Any) -> str:
    """A hash of a recording, whatever its form."""
    form = f"{content.dtype}{content.shape}".encode()
    return hashlib.sha256(form + np.ascontiguousarray(content).tobytes()).hexdigest()[:16]
