"""N-MNIST (Orchard et al. 2015): recordings of MNIST's images, and the images."""

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ckd.config import Data
from ckd.data.base import Source, Stills, binning_of, data_root
from ckd.data.filmed import recorded
from ckd.data.stored import AnyFrames
from ckd.data.survey import Survey, survey
from ckd.errors import DatasetError
from ckd.events import find_recordings
from ckd.events.sizes import judge
from ckd.events.types import Int


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

    def frames(self, rows: Int) -> AnyFrames:
        return recorded([self._paths[row] for row in rows], self.binning)

    def survey(self) -> Survey:
        return survey(self._paths)

    def stills(self) -> Stills:
        images = _read_idx(self._root / "mnist" / "train-images-idx3-ubyte.gz", magic=2051)
        labels = _read_idx(self._root / "mnist" / "train-labels-idx1-ubyte.gz", magic=2049)
        if len(images) != len(labels):
            raise DatasetError(f"{self._root / 'mnist'}: {len(images)} images but {len(labels)} labels; copy it again")
        ids = np.arange(len(labels))
        return Stills(images=images[:, None], labels=labels.astype(np.int64), image_ids=ids, dark_on_bright=True)


def _read_idx(path: Path, *, magic: int) -> NDArray[np.uint8]:
    """An IDX file of MNIST (LeCun, Cortes, Burges), gzip."""
    if not path.is_file():
        raise DatasetError(f"{path}: missing; MNIST's gzip files belong there")
    try:
        with gzip.open(path) as file:
            head = file.read(4 + 4 * (magic & 255))
            if len(head) < 8 or int.from_bytes(head[:4]) != magic:
                raise DatasetError(f"{path}: not an IDX file of MNIST (it should begin with the number {magic})")
            shape = tuple(int.from_bytes(head[at : at + 4]) for at in range(4, len(head), 4))
            judge(path, prod(shape))
            raw = file.read(prod(shape) + 1)
    except (OSError, EOFError, zlib.error):
        raise DatasetError(f"{path}: not a complete gzip file; copy it again") from None
    if len(raw) != prod(shape):
        held = f"more than {prod(shape):,}" if len(raw) > prod(shape) else f"{len(raw):,}"
        raise DatasetError(f"{path}: holds {held} values where its header says {shape}; copy it again")
    return np.frombuffer(raw, np.uint8).reshape(shape)
