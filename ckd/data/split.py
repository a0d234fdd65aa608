"""Which recordings train, validate and test, and which stills may be seen: decided by original image."""

from dataclasses import dataclass

import numpy as np

from ckd.config import Data
from ckd.data.base import Source, Stills
from ckd.errors import DatasetError
from ckd.events.types import Int

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Split:
    """Names of the recordings of each part, in order."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def rows(self, part: str, source: Source) -> Int:
        """Where the recordings of `part` are in `source`."""
        if part not in PARTS:
            raise ValueError(f"part {part!r} must be one of {PARTS}")
        row_of = {name: row for row, name in enumerate(source.names)}
        names = getattr(self, part)
        missing = [name for name in names if name not in row_of]
        if missing:
            raise DatasetError(f"{len(missing)} recordings of this run's split are gone, the first is {missing[0]}")
        return np.asarray([row_of[name] for name in names], np.int64)


def make_split(source: Source, data: Data, *, seed: int) -> Split:
    """Draw test, validation and labeled training recordings class by class; what is left over is not used.

    Recordings of one original image stay in one part. A seed's test and validation recordings are the same for
    every number of labels, and its three labels are among its ten.

    Raises:
        DatasetError: a class has too few recordings.
    """
    rng = np.random.default_rng((seed, 11))
    parts: dict[str, list[int]] = {part: [] for part in PARTS}
    for label, class_name in enumerate(source.classes):
        images = rng.permutation(np.unique(source.image_ids[source.labels == label]))
        tests, validations = (_count(n, len(images)) for n in (data.test_per_class, data.validation_per_class))
        if data.validation_per_class < 1 and len(images) < 3:
            validations = 0  # one trains, one tests
        held_out = tests + validations
        wanted = len(images) - held_out
        if data.labels_per_class is not None:
            wanted = _count(data.labels_per_class, len(images))
        if wanted < 1 or held_out + wanted > len(images):
            lower = ", or lower --labels-per-class, --test-per-class or --validation-per-class"
            raise DatasetError(
                f"class {class_name!r} has {_recordings(int(np.sum(source.labels == label)), len(images))}, too few "
                f"for {tests} to test, {validations} to validate and {max(wanted, 1)} to train; record more of it, "
                f"leave it out with --classes{lower if len(images) > 1 else ''}"
            )
        bounds = np.cumsum([tests, validations, wanted])
        test, validation, train = np.split(images[: bounds[2]], bounds[:2])
        for part, chosen in (("train", train), ("validation", validation), ("test", test)):
            parts[part].extend(np.flatnonzero(np.isin(source.image_ids, chosen) & (source.labels == label)))
    return Split(**{part: tuple(source.names[row] for row in sorted(rows)) for part, rows in parts.items()})


def _recordings(count: int, originals: int) -> str:
    said = f"{count:,} recording{'s' * (count != 1)}"
    return said if originals == count else f"{said} of {originals:,} original{'s' * (originals != 1)}"


def _count(asked: float, available: int) -> int:
    """A number of images: as asked, or a share of those available, which is one at least."""
    return max(1, round(asked * available)) if 0 < asked < 1 else int(asked)


def unlabeled_rows(source: Source, split: Split) -> Int:
    """Where the recordings are that `split` leaves over: of no original that one of its recordings shows."""
    taken = np.concatenate([source.image_ids[split.rows(part, source)] for part in PARTS])
    return np.flatnonzero(~np.isin(source.image_ids, taken))


def training_stills(stills: Stills, source: Source, split: Split) -> Stills:
    """Those of the source's `stills` whose original image no validation or test recording films."""
    held_out = np.concatenate([source.image_ids[split.rows(part, source)] for part in ("validation", "test")])
    return stills.take(np.flatnonzero(~np.isin(stills.image_ids, held_out)))
