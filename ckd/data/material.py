"""What a run trains and tests on: recordings and stills, read, filmed and split."""

from dataclasses import dataclass

import numpy as np

from ckd.config import Data, Method
from ckd.data.base import Source, Stills
from ckd.data.checks import remarks_on
from ckd.data.filmed import filmed
from ckd.data.sources import open_source
from ckd.data.split import PARTS, Split, make_split, training_stills, unlabeled_rows
from ckd.data.stored import AnyFrames
from ckd.data.survey import Survey
from ckd.errors import DatasetError
from ckd.events.types import Int


@dataclass(frozen=True, kw_only=True)
class StillPool:
    """Stills: what the teacher sees of them, and their films where the static branch sees those."""

    stills: Stills
    films: AnyFrames | None = None

    def __post_init__(self) -> None:
        assert self.films is None or len(self.films) == len(self.stills)


@dataclass(frozen=True, kw_only=True)
class Material:
    """Everything a run trains and tests on."""

    source: Source
    split: Split
    frames: dict[str, AnyFrames]
    """(R, T, 2, H, W) of the "train", "validation" and "test" recordings; `labels` (R,) likewise."""
    labels: dict[str, Int]
    stills: Stills
    """Those that no validation or test recording films."""
    held_out_stills: Stills
    """Those that a test recording films."""
    pool: StillPool | None
    """What the static branch sees; None in a run without distillation."""
    unlabeled: AnyFrames | None = None
    """(R, T, 2, H, W) of the recordings that the split leaves over; None in a run that does not look at them."""
    remarks: tuple[str, ...] = ()
    """What is odd about the data of a new run, a line each."""


def prepare(data: Data, method: Method, *, seed: int, split: Split | None = None) -> Material:
    """Read, film and split the data.

    Args:
        data: which data set, and how much of it.
        method: whether there is a static branch, and what it sees.
        seed: decides the split and the films.
        split: that of a run that is read again; None: a new one is drawn.

    Raises:
        DatasetError, RecordingError: what is missing or cannot be read.
    """
    source = open_source(data)
    remarks = () if split else tuple(look_at(source, source.survey()))
    split = split or make_split(source, data, seed=seed)
    rows = {part: split.rows(part, source) for part in PARTS}
    everything = source.stills()
    if method.distill and not len(everything):
        raise DatasetError(
            f"--dataset {data.dataset}: gives recordings without images, which distillation needs; add images, or give "
            "--no-distill"
        )
    stills = training_stills(everything, source, split)
    tested = np.isin(everything.image_ids, source.image_ids[rows["test"]])
    pool = None
    if method.distill:
        films = data.films if method.static_input == "camera" else None
        pool = _pool(source, stills, films=films, seed=seed)
    return Material(
        source=source,
        split=split,
        frames={part: source.frames(rows[part]) for part in rows},
        labels={part: source.labels[rows[part]] for part in rows},
        stills=stills,
        held_out_stills=everything.take(np.flatnonzero(tested)),
        pool=pool,
        unlabeled=source.frames(unlabeled_rows(source, split)) if method.contrastive else None,
        remarks=(*remarks, *_on_split(split, source)),
    )


def look_at(source: Source, found: Survey | None) -> list[str]:
    """What is odd about a data set, of which this was found, a line each.

    Raises:
        DatasetError: where it would ruin every training.
    """
    if len(source.classes) == 1:
        raise DatasetError(f"{source.classes[0]} is the only class; to tell apart takes at least two")
    return source.remarks() + ([] if found is None else remarks_on(found, source.names, source.binning))


def _on_split(split: Split, source: Source) -> list[str]:
    if split.validation:
        return []
    return [
        "no recordings validate, so the weights of the last iteration are kept; --validation-per-class chooses some"
    ]


def _pool(source: Source, stills: Stills, *, films: int | None, seed: int) -> StillPool:
    """The stills of the static branch; where it sees films, as many as that, and their films."""
    _require_every_class(stills, source, "add images that no validation or test recording films")
    if films is not None:
        rng = np.random.default_rng((seed, 5))
        stills = stills.take(np.sort(rng.permutation(len(stills))[:films]))
        _require_every_class(stills, source, "raise --films")
    return StillPool(stills=stills, films=None if films is None else filmed(stills, source.binning, seed=(seed, 7)))


def _require_every_class(stills: Stills, source: Source, way_out: str) -> None:
    missing = [name for label, name in enumerate(source.classes) if label not in stills.labels]
    if missing:
        raise DatasetError(
            f"class {missing[0]!r} has no still to train on{_others(missing)}; {way_out}, leave out by --classes what "
            "has none, or train without images by --no-distill"
        )


def _others(names: list[str]) -> str:
    return f", nor have {len(names) - 1} others" if len(names) > 1 else ""
