"""Sources of recordings and stills: what there is, by name, class and original image; frames on demand."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ckd.config import Data
from ckd.data.stored import AnyFrames
from ckd.data.survey import Survey
from ckd.errors import DatasetError, MissingRootError
from ckd.events import Binning
from ckd.events.types import Int

BORDER = 16
"""Pixels by which a photograph's edge goes on outwards when it is filmed: more than the saccades move it."""


@dataclass(frozen=True, kw_only=True)
class Stills:
    """Images of the RGB side: (M, C, H, W) uint8 with C = 1 or 3, labels (M,), and which original image each shows."""

    images: NDArray[np.uint8]
    labels: Int
    image_ids: Int
    dark_on_bright: bool = False
    """A high value is dark ink on a bright screen, as N-MNIST films MNIST; else it is light, as in a photograph."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Int) -> "Stills":
        return replace(self, images=self.images[rows], labels=self.labels[rows], image_ids=self.image_ids[rows])

    def darkness(self) -> NDArray[np.float32]:
        """How dark each place is, (M, H, W) between 0 (white) and 1, a photograph's edge continued by `BORDER`."""
        value = self.images.max(1).astype(np.float32) / 255
        if self.dark_on_bright:
            return value
        return np.pad(1 - value, ((0, 0), (BORDER, BORDER), (BORDER, BORDER)), mode="edge")

    def digest(self) -> str:
        """A hash of the images."""
        return hashlib.sha256(np.ascontiguousarray(self.images).tobytes()).hexdigest()


class Source(ABC):
    """A data set: recordings (names, labels, original images, frames on demand) and stills of the same classes."""

    binning: Binning
    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: Int
    image_ids: Int
    """Which original image a recording films; never in two parts of a split. (R,)"""

    @abstractmethod
    def frames(self, rows: Int) -> AnyFrames:
        """(R, T, 2, H, W) uint8 of these recordings, in memory or on disk."""

    @abstractmethod
    def stills(self) -> Stills:
        """Every still that may be seen in training or testing; the split decides which."""

    def survey(self) -> Survey | None:
        """What all recordings hold, (R,); None of recordings that are no events on disk."""
        return None

    def remarks(self) -> list[str]:
        """What is odd about folders and files, a line each."""
        return []


def binning_of(data: Data) -> Binning:
    """How a configuration's recordings become frames. A field that both have is taken over by its name.

    Raises DatasetError where `ckd.data.fitting.fitted` has not yet said how long its steps are.
    """
    if not (data.step_us and data.time_steps):
        raise DatasetError("--step-us 0 or --time-steps 0: not known before the recordings are read; give numbers")
    shared = {field.name: getattr(data, field.name) for field in fields(Binning) if hasattr(data, field.name)}
    return Binning(steps=data.time_steps, height=data.size, width=data.size, **shared)


def data_root(data: Data, *, near: Callable[[Path], str] = lambda _: "") -> Path:
    """The folder of a data set that is not embedded. `near` says which one may be meant. Raises DatasetError."""
    if data.data_root is None:
        raise DatasetError(f"data set {data.dataset} lies in a folder of yours: give --data-root DIR")
    root = Path(data.data_root)
    if not root.is_dir():
        what = "is a file; give the folder that holds the data" if root.is_file() else "no such folder"
        raise MissingRootError(f"--data-root {root}: {what}{near(root)}")
    return root
