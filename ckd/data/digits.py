"""The embedded data set: handwritten digits, filmed by our camera model."""

import numpy as np

from ckd.config import Data
from ckd.data.base import Source, Stills, binning_of
from ckd.data.filmed import filmed
from ckd.data.stored import AnyFrames
from ckd.errors import DatasetError
from ckd.events.types import Float, Int


class Digits(Source):
    """scikit-learn's 1797 handwritten digits of 8 x 8 pixels (Alpaydin and Kaynak), filmed by our camera model."""

    PIXELS = 22

    def __init__(self, data: Data) -> None:
        from sklearn.datasets import load_digits

        if data.data_root is not None:
            raise DatasetError(
                f"--data-root {data.data_root}: the embedded digits are read from no folder; for one of your own give "
                "--preset folder, or leave it out"
            )
        bunch = load_digits()
        self.binning = binning_of(data)
        self.classes = tuple(str(k) for k in range(10))
        self.labels = np.asarray(bunch.target, np.int64)  # pyright: ignore[reportAttributeAccessIssue]
        self.image_ids = np.arange(len(self.labels))
        self.names = tuple(f"{label}/digit{i:04d}" for i, label in zip(self.image_ids, self.labels, strict=True))
        eight = (np.asarray(bunch.images) / 16).astype(np.float32)  # pyright: ignore[reportAttributeAccessIssue]
        self._images = np.round(255 * _enlarge(eight, self.PIXELS)).astype(np.uint8)[:, None]

    def frames(self, rows: Int) -> AnyFrames:
        return filmed(self.stills().take(rows), self.binning, seed=(0,))

    def stills(self) -> Stills:
        return Stills(images=self._images, labels=self.labels, image_ids=self.image_ids, dark_on_bright=True)


def _enlarge(images: Float, pixels: int) -> Float:
    """(M, h, w) to (M, pixels, pixels) by cubic interpolation, within 0 and 1."""
    import torch

    big = torch.nn.functional.interpolate(
        torch.from_numpy(images)[:, None], size=(pixels, pixels), mode="bicubic", align_corners=False
    )
    return big[:, 0].clamp(0, 1).numpy()
