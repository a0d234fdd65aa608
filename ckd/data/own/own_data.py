"""`OwnData`: what is known of recordings and images from outside."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ckd.errors import DatasetError


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """Recordings with labels, and ordinary stills of the same classes."""

    recordings: Any
    """R items (events, label) by index, as tonic gives them: events an array with the fields x, y, t (microseconds) and
    p; or frames (T, 2, H, W) of counts, falling light first. Or a pair of arrays: (R, T, 2, H, W) and (R,)."""
    images: Any = None
    """M items (image, label) by index, an image as PIL, (H, W), (H, W, 3) or (3, H, W), uint8 or floats from 0 to 1. Or
    a pair of arrays: (M, ...) and (M,). None: the student can only be trained without distillation."""
    classes: Sequence[str] | None = None
    """Names of the classes by label; None: those that the data set says, else the labels themselves."""
    originals: Sequence[int] | None = None
    """(R,) which image each recording films, by its row; numbers of M and more stand for what no image shows. What
    shows one original is never parted between training and test. None: no two show the same."""
    dark_on_bright: bool = False
    """Whether a high value in an image is dark ink on a bright screen, as MNIST is filmed, and not light."""


def as_own_data(made: Any, what: str) -> OwnData:
    """What a factory returned, whichever way it says it: recordings and images as items by index.

    Raises:
        DatasetError: it is no data set.
    """
    own = made
    if isinstance(made, tuple) and len(made) == 2 and not is_array(made[0]):
        own = OwnData(recordings=made[0], images=made[1])
    elif not isinstance(made, OwnData):
        own = OwnData(recordings=made)
    images = None if own.images is None else _items(own.images, "images", what)
    return replace(own, recordings=_items(own.recordings, "recordings", what), images=images)


def is_array(value: Any) -> bool:
    """Whether `value` is an array of numpy's, or a tensor."""
    return hasattr(value, "__array__") and hasattr(value, "ndim")


class Pairs:
    """Arrays of contents and labels as items (content, label)."""

    def __init__(self, contents: Any, labels: Any) -> None:
        self._contents, self._labels = contents, labels

    def __len__(self) -> int:
        return len(self._contents)

    def __getitem__(self, row: int) -> tuple[Any, Any]:
        return self._contents[row], self._labels[row]


def _items(value: Any, name: str, what: str) -> Any:
    """`value` as items (content, label) with a length."""
    if is_array(value):
        raise DatasetError(f"{what}: returned {name} without labels; it must be a pair of arrays, contents and labels")
    if isinstance(value, tuple) and len(value) == 2 and is_array(value[0]):
        contents, labels = value
        if np.shape(labels) != (len(contents),):
            raise DatasetError(
                f"{what}: {name} are {len(contents)}, but their labels have shape {np.shape(labels)}; each needs one"
            )
        value = Pairs(contents, labels)
    if not (hasattr(value, "__len__") and hasattr(value, "__getitem__")) or isinstance(value, str | dict):
        raise DatasetError(
            f"{what}: returned a {type(value).__name__} as {name}; it must be a data set with a length and items "
            "(content, label), or a pair of arrays"
        )
    if len(value) == 0:
        raise DatasetError(f"{what}: returned no {name}; does it read the right folder?")
    return value
