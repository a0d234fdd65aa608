"""Recordings and stills in folders of classes: one's own data, N-Caltech101, CEP-DVS and CIFAR10-DVS."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from ckd.config import Data
from ckd.data.base import Source, Stills, binning_of, data_root
from ckd.data.classes import find_classes
from ckd.data.filmed import recorded
from ckd.data.stored import AnyFrames
from ckd.data.survey import Survey, survey
from ckd.errors import DatasetError
from ckd.events.types import Int
from ckd.files import perhaps_meant

MOST_PIXELS = 50_000_000
"""Of a still: a few kilobytes can claim gigabytes of them."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """In which folders below its root a data set keeps recordings and stills, and how to obtain it."""

    recordings: tuple[str, ...]
    """Where they may lie; the first folder that exists counts. `stills` likewise."""
    stills: tuple[str, ...]
    same_images: bool
    """Whether a recording films the still of the same class and file name."""
    left_out: frozenset[str] = frozenset()
    """Folders that lie among the classes and are none."""
    obtain: str = ""


LAYOUTS = {
    "folder": Layout(
        recordings=("recordings",),
        stills=("images",),
        same_images=True,
        obtain="put recordings into recordings/<class>/<file> and images into images/<class>/<file>",
    ),
    "n-caltech101": Layout(
        recordings=("ncaltech101/NCALTECH101/Caltech101", "NCALTECH101/Caltech101", "Caltech101"),
        stills=("caltech101/101_ObjectCategories", "101_ObjectCategories"),
        same_images=True,
        left_out=frozenset({"BACKGROUND_Google"}),
        obtain="python -m ckd.download n-caltech101 ROOT fetches it",
    ),
    "cep-dvs": Layout(
        recordings=("event", "events", "recordings"),
        stills=("rgb", "RGB", "images"),
        same_images=True,
        obtain="ask its authors for CEP-DVS; put events into event/<class>/<file> and images into rgb/<class>/<file>",
    ),
    "cifar10-dvs": Layout(
        recordings=("CIFAR10DVS", "recordings"),
        stills=("cifar10", "images"),
        same_images=False,
        obtain="python -m ckd.download cifar10-dvs ROOT fetches it",
    ),
}


class Folders(Source):
    """Classes are matched by name; one that has no recordings is left out.

    Where file names pair recordings with the stills that they film, a pair is one original image and never parted.
    """

    def __init__(self, data: Data) -> None:
        layout = LAYOUTS[data.dataset]
        root = data_root(data, near=lambda root: _near(root, layout))
        self._found = found = find_classes(
            _first(root, layout.recordings) or _refuse(root, layout, data.dataset),
            _first(root, layout.stills),
            left_out=layout.left_out,
            only=data.classes,
        )
        self.binning = binning_of(data)
        self.classes = tuple(found.recordings)
        self._paths = [path for paths in found.recordings.values() for path in paths]
        self._stills = [path for name in self.classes for path in found.stills.get(name, ())]
        if any(found.stills.values()) and not self._stills:
            raise DatasetError(
                f"{root}: no class has both recordings ({_some(self.classes)}) and images "
                f"({_some(sorted(name for name, files in found.stills.items() if files))}); folders are matched by name"
            )
        self.names = tuple(f"{path.parent.name}/{path.name}" for path in self._paths)
        self.labels = self._labels(self._paths)
        self._paired = layout.same_images and data.paired_names
        keys = [f"{path.parent.name}/{path.stem}" for path in self._paths]
        still_keys = [f"{path.parent.name}/{path.stem}" for path in self._stills]
        self._pairs = len({*keys} & {*still_keys}) if self._paired else 0
        if not self._paired:
            keys = list(self.names)
            still_keys = [f"still {path.parent.name}/{path.name}" for path in self._stills]
        identity = {key: i for i, key in enumerate(sorted({*keys, *still_keys}))}
        self.image_ids = np.asarray([identity[key] for key in keys], np.int64)
        self._still_ids = np.asarray([identity[key] for key in still_keys], np.int64)

    def survey(self) -> Survey:
        return survey(self._paths)

    def remarks(self) -> list[str]:
        if not self._pairs:
            return list(self._found.remarks)
        return [
            *self._found.remarks,
            f"{self._pairs} images share class and file name with a recording, so each pair counts as one original, "
            "and images of what validates and tests are not trained on; --no-paired-names where names mean nothing",
        ]

    def frames(self, rows: Int) -> AnyFrames:
        return recorded([self._paths[row] for row in rows], self.binning)

    def stills(self) -> Stills:
        from PIL import Image

        size = self.binning.height
        images = np.empty((len(self._stills), 3, size, size), np.uint8)
        for row, path in enumerate(self._stills):
            try:
                if not path.is_file():
                    raise OSError("a folder, a device or a pipe")
                with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
                    if image.width * image.height > MOST_PIXELS:
                        raise OSError(f"{image.width} x {image.height} pixels, more than {MOST_PIXELS:,}")
                    images[row] = np.asarray(image.convert("RGB").resize((size, size))).transpose(2, 0, 1)
            except Exception as error:  # PIL raises many kinds
                raise DatasetError(
                    f"{path}: cannot be read as an image ({error}); remove it or copy it again"
                ) from None
        return Stills(images=images, labels=self._labels(self._stills), image_ids=self._still_ids)

    def _labels(self, paths: list[Path]) -> Int:
        number = {name: label for label, name in enumerate(self.classes)}
        return np.asarray([number[path.parent.name] for path in paths], np.int64)


def _first(root: Path, candidates: tuple[str, ...]) -> Path | None:
    return next((root / name for name in candidates if (root / name).is_dir()), None)


def _refuse(root: Path, layout: Layout, dataset: str) -> NoReturn:
    raise DatasetError(
        f"{root}: --dataset {dataset} expects a folder {layout.recordings[0]} there; {layout.obtain}"
        f"{_near(root, layout)}"
    )


def _near(root: Path, layout: Layout) -> str:
    return perhaps_meant(root, lambda near: _first(near, layout.recordings) is not None)


def _some(names: Iterable[str]) -> str:
    return ", ".join(list(names)[:6])
