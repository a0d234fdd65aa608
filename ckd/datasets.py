"""Sources of recordings and stills: what there is, by name, class and original image; frames on demand."""

import gzip
import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ckd.binning
import ckd.camera
import ckd.events
import ckd.readers
from ckd.cache import cached_frames
from ckd.camera import Camera, film_frames
from ckd.config import Data
from ckd.errors import DatasetError
from ckd.events import Binning, Frames, find_recordings, load_frames

Int = NDArray[np.int64]

FILMING = [ckd.camera, ckd.events, ckd.binning]
READING = [ckd.events, ckd.readers, ckd.binning]
"""The code that frames of films and of recordings come from."""
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
    def frames(self, rows: Int) -> Frames:
        """(R, T, 2, H, W) uint8 of these recordings."""

    @abstractmethod
    def stills(self) -> Stills:
        """Every still that may be seen in training or testing; the split decides which."""

    def film(self, stills: Stills, *, seed: int) -> Frames:
        """What an event camera would report of these stills, with varied saccades: (M, T, 2, H, W)."""
        return _filmed(stills, self.binning, seed=(seed, 7))


def recorded(paths: list[Path], binning: Binning) -> Frames:
    """The frames of recordings on disk, (R, T, 2, H, W), binned once as long as the files stay as they are."""
    files = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    key = {"binning": binning, "files": files}
    return cached_frames(lambda: load_frames(paths, binning), key=key, made_by=READING)


def _filmed(stills: Stills, binning: Binning, *, seed: tuple[int, ...]) -> Frames:
    camera = Camera(height=binning.height, width=binning.width)
    return cached_frames(
        lambda: film_frames(stills.darkness(), camera, binning, seed=seed, ids=stills.image_ids),
        key={
            "camera": camera,
            "binning": binning,
            "seed": seed,
            "ids": stills.image_ids.tolist(),
            "dark on bright": stills.dark_on_bright,
            "border": BORDER,
            "images": stills.digest(),
        },
        made_by=FILMING,
    )


class Digits(Source):
    """scikit-learn's 1797 handwritten digits of 8 x 8 pixels (Alpaydin and Kaynak), filmed by our camera model."""

    PIXELS = 22

    def __init__(self, data: Data) -> None:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        self.binning = binning_of(data)
        self.classes = tuple(str(k) for k in range(10))
        self.labels = np.asarray(bunch.target, np.int64)  # pyright: ignore[reportAttributeAccessIssue]
        self.image_ids = np.arange(len(self.labels))
        self.names = tuple(f"{label}/digit{i:04d}" for i, label in zip(self.image_ids, self.labels, strict=True))
        eight = (np.asarray(bunch.images) / 16).astype(np.float32)  # pyright: ignore[reportAttributeAccessIssue]
        self._images = np.round(255 * _enlarge(eight, self.PIXELS)).astype(np.uint8)[:, None]

    def frames(self, rows: Int) -> Frames:
        return _filmed(self.stills().take(rows), self.binning, seed=(0,))

    def stills(self) -> Stills:
        return Stills(images=self._images, labels=self.labels, image_ids=self.image_ids, dark_on_bright=True)


class NMNIST(Source):
    """N-MNIST recordings <root>/nmnist/NMNIST/Train/<label>/<id>.bin, and MNIST in <root>/mnist.

    Recording id i + 1 films row i of MNIST's training images; further rows are stills that no recording here films.
    """

    def __init__(self, data: Data) -> None:
        self._root = data_root(data)
        self.binning = binning_of(data)
        folder = self._root / "nmnist" / "NMNIST" / "Train"
        self._paths, folders = find_recordings(folder if folder.is_dir() else self._root / "NMNIST" / "Train")
        self.classes = tuple(str(k) for k in range(10))
        for path in self._paths:
            if path.parent.name not in self.classes or not path.stem.isdecimal():
                raise DatasetError(f"{path}: N-MNIST's recordings are <label 0 to 9>/<number>.bin; move this one away")
        self.labels = np.asarray([self.classes.index(name) for name in folders], np.int64)
        self.image_ids = np.asarray([int(path.stem) - 1 for path in self._paths], np.int64)
        self.names = tuple(f"{path.parent.name}/{path.name}" for path in self._paths)

    def frames(self, rows: Int) -> Frames:
        return recorded([self._paths[row] for row in rows], self.binning)

    def stills(self) -> Stills:
        images = _read_idx(self._root / "mnist" / "train-images-idx3-ubyte.gz", magic=2051)
        labels = _read_idx(self._root / "mnist" / "train-labels-idx1-ubyte.gz", magic=2049)
        if len(images) != len(labels):
            raise DatasetError(f"{self._root / 'mnist'}: {len(images)} images but {len(labels)} labels; copy it again")
        ids = np.arange(len(labels))
        return Stills(images=images[:, None], labels=labels.astype(np.int64), image_ids=ids, dark_on_bright=True)


def open_source(data: Data) -> Source:
    """The data set that a configuration names.

    Raises:
        DatasetError: it is missing or incomplete. RecordingError: a recording of it is.
    """
    if data.dataset == "digits":
        return Digits(data)
    if data.dataset == "nmnist":
        return NMNIST(data)
    from ckd.folders import Folders

    return Folders(data)


def binning_of(data: Data) -> Binning:
    """How a configuration's recordings become frames."""
    return Binning(
        step_us=data.step_us,
        steps=data.time_steps,
        height=data.size,
        width=data.size,
        max_count=data.max_count,
        sensor=data.sensor,
    )


def data_root(data: Data) -> Path:
    """The folder of a data set that is not embedded. Raises DatasetError."""
    if data.data_root is None:
        raise DatasetError(f"data set {data.dataset} lies in a folder of yours: give --data-root DIR")
    root = Path(data.data_root)
    if not root.is_dir():
        raise DatasetError(f"--data-root {root}: no such folder; where a run's data has moved, change its config.yaml")
    return root


def _read_idx(path: Path, *, magic: int) -> NDArray[np.uint8]:
    """An IDX file of MNIST (LeCun, Cortes, Burges), gzip."""
    if not path.is_file():
        raise DatasetError(f"{path}: missing; MNIST's gzip files belong there")
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError):
        raise DatasetError(f"{path}: not a complete gzip file; copy it again") from None
    if len(raw) < 8 or int.from_bytes(raw[:4]) != magic:
        raise DatasetError(f"{path}: not an IDX file of MNIST (it should begin with the number {magic})")
    axes = raw[3]
    shape = tuple(int.from_bytes(raw[4 + 4 * axis : 8 + 4 * axis]) for axis in range(axes))
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * axes)
    if len(values) != int(np.prod(shape)):
        raise DatasetError(f"{path}: holds {len(values)} values where its header says {shape}; copy it again")
    return values.reshape(shape)


def _enlarge(images: NDArray[np.float32], pixels: int) -> NDArray[np.float32]:
    """(M, h, w) to (M, pixels, pixels) by cubic interpolation, within 0 and 1."""
    import torch

    big = torch.nn.functional.interpolate(
        torch.from_numpy(images)[:, None], size=(pixels, pixels), mode="bicubic", align_corners=False
    )
    return big[:, 0].clamp(0, 1).numpy()
