"""Reading the items of a data set from outside, and the labels among them as numbers of classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ckd.config.factories import told
from ckd.errors import DatasetError
from ckd.events.types import Int

Label = int | str


def read_item(items: Any, row: int, what: str) -> tuple[Any, Label]:
    """Content and label of a row.

    Raises:
        DatasetError: the row cannot be read, is no pair, or has no label that can be one.
    """
    try:
        item = items[row]
    except Exception as error:
        raise DatasetError(f"{what} {row}: cannot be read, {told(error)}") from None
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise DatasetError(f"{what} {row}: is a {type(item).__name__}; it must be a pair of content and label")
    return item[0], _plain(item[1], f"{what} {row}")


def listed_labels(items: Any, what: str) -> list[Label] | None:
    """The labels that a data set lists as `targets`; None where it lists none, or its items may have others."""
    targets, both = getattr(items, "targets", None), getattr(items, "transforms", None)
    # torchvision keeps a transform of contents as one of both, whose part for labels is None.
    changes = [getattr(items, "target_transform", None), getattr(both, "target_transform", both)]
    if targets is None or len(targets) != len(items) or any(change is not None for change in changes):
        return None
    return [_plain(label, f"{what} {row}") for row, label in enumerate(targets)]


def names_of(items: Any) -> tuple[str, ...] | None:
    """The names of a data set's `classes` by label, listed or as a dictionary to labels; None where it has none."""
    classes = getattr(items, "classes", None)
    if isinstance(classes, dict):
        in_order = sorted(classes, key=lambda name: str(classes[name]).zfill(9))
        return tuple(map(str, in_order)) if [classes[name] for name in in_order] == list(range(len(classes))) else None
    return tuple(map(str, classes)) if isinstance(classes, list | tuple) and classes else None


def named_by(labels: Sequence[Label]) -> tuple[str, ...]:
    """Names of classes where nobody says any: the labels themselves."""
    if any(isinstance(label, str) for label in labels):
        return tuple(sorted({str(label) for label in labels}))
    return tuple(map(str, range(max(int(label) for label in labels) + 1)))


def numbered(labels: Sequence[Label], classes: tuple[str, ...], what: str) -> Int:
    """Labels as numbers of `classes`, (R,). Raises DatasetError at one that is none of them."""
    number = {name: label for label, name in enumerate(classes)}
    found = [number.get(label, -1) if isinstance(label, str) else label for label in labels]
    for row, label in enumerate(found):
        if not 0 <= label < len(classes):
            allowed = f"0 to {len(classes) - 1}, or a name of {', '.join(classes[:12])}"
            raise DatasetError(f"{what} {row}: has the label {labels[row]!r}, which is none of the classes ({allowed})")
    return np.asarray(found, np.int64)


def _plain(label: Any, what: str) -> Label:
    """A label as an int or a name."""
    value = label.item() if getattr(label, "ndim", None) == 0 and hasattr(label, "item") else label
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    said = " ".join(repr(label).split())[:60]
    raise DatasetError(f"{what}: has the label {said}; it must be a whole number or a name")
