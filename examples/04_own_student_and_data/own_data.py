"""Data sets from outside: one that is made here, and tonic's N-MNIST with MNIST as the stills."""

import gzip
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from ckd.data.own import OwnData

SIZE = 34
EVENT = np.dtype([("t", np.int64), ("x", np.int16), ("y", np.int16), ("p", bool)])
DURATION_MS = 300


def shape(label: int, rng: np.random.Generator) -> np.ndarray:
    """A bright disk, ring, bar or cross of random size, thickness and angle on black, (34, 34) from 0 to 1."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2 - rng.uniform(-2, 2, (2, 1, 1))
    angle, size, half = rng.uniform(0, np.pi), rng.uniform(7, 11), rng.uniform(1, 2)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius = np.hypot(x, y)
    bar = (abs(along) < size) & (abs(across) < half)
    cross = bar | ((abs(across) < size) & (abs(along) < half))
    drawn = [radius < size * 0.8, abs(radius - size * 0.8) < half, bar, cross][label]
    return drawn.astype(np.float32)


class Shapes(Dataset):
    """Moving shapes, written as tonic writes its data sets: items (events, label), and what it says of them."""

    classes = ("disk", "ring", "bar", "cross")
    sensor_size = (SIZE, SIZE, 2)

    def __len__(self) -> int:
        return 400

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        if row >= len(self):
            raise IndexError(row)
        rng = np.random.default_rng((1, row))
        label = row % len(self.classes)
        image, direction, events = shape(label, rng), rng.uniform(0, 2 * np.pi), []
        before = image
        for time in range(10, DURATION_MS, 10):
            way = 4 * np.sin(2 * np.pi * time / DURATION_MS)
            now = np.roll(image, np.round([way * np.sin(direction), way * np.cos(direction)]).astype(int), (0, 1))
            y, x = np.nonzero((now != before) & (rng.random(now.shape) < 0.7))
            part = np.empty(len(x), EVENT)
            part["x"], part["y"], part["p"] = x, y, (now > before)[y, x]
            part["t"] = 1000 * time + rng.integers(0, 10_000, len(x))
            events.append(part)
            before = now
        return np.sort(np.concatenate(events), order="t"), label


def shapes() -> tuple[Shapes, tuple[np.ndarray, np.ndarray]]:
    """Recordings, and stills of other shapes of the same classes: a pair of arrays, images and labels."""
    labels = np.arange(1200) % len(Shapes.classes)
    stills = np.stack([shape(int(label), np.random.default_rng((2, row))) for row, label in enumerate(labels)])
    return Shapes(), (stills, labels)


def nmnist(data_root: Path) -> OwnData:
    """tonic's N-MNIST in DIR/nmnist, as much of it as lies there, and MNIST's images in DIR/mnist."""
    import tonic.datasets

    class NMNIST(tonic.datasets.NMNIST):
        def _check_exists(self) -> bool:
            return True  # tonic fetches all 70,000 where some are missing

    recordings = NMNIST(str(data_root / "nmnist"))
    folder = data_root / "mnist"
    images = np.frombuffer(gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    return OwnData(
        recordings=recordings,
        images=(images.reshape(-1, 28, 28), labels),
        # Recording 00001.bin films the first image.
        originals=[int(Path(file).stem) - 1 for file in recordings.data],
        dark_on_bright=True,
    )
