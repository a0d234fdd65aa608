"""What a run trains and tests on: recordings and stills, read, filmed and split."""

from dataclasses import dataclass

import numpy as np

from ckd.config import Config
from ckd.data.base import Source, Stills
from ckd.data.filmed import filmed
from ckd.data.sources import open_source
from ckd.data.split import Split, make_split, training_stills
from ckd.errors import DatasetError
from ckd.events import Frames
from ckd.events.types import Int


@dataclass(frozen=True, kw_only=True)
class StillPool:
    """Stills in memory: what the teacher sees of them, and their films where the static branch sees those."""

    stills: Stills
    films: Frames | None = None

    def __post_init__(self) -> None:
        assert self.films is None or len(self.films) == len(self.stills)


@dataclass(frozen=True, kw_only=True)
class Material:
    """Everything a run trains and tests on."""

    source: Source
    split: Split
    frames: dict[str, Frames]
    """(R, T, 2, H, W) of the "train", "validation" and "test" recordings; `labels` (R,) likewise."""
    labels: dict[str, Int]
    stills: Stills
    """Those that no validation or test recording films."""
    held_out_stills: Stills
    """Those that a test recording films."""
    pool: StillPool | None
    """What the static branch sees; None in a run without distillation."""


def prepare(config: Config, split: Split | None = None) -> Material:
    """Read, film and split the data. Raises DatasetError and RecordingError before anything is written."""
    source = open_source(config.data)
    split = split or make_split(source, config.data, seed=config.seed)
    rows = {part: split.rows(part, source) for part in ("train", "validation", "test")}
    everything = source.stills()
    stills = training_stills(everything, source, split)
    tested = np.isin(everything.image_ids, source.image_ids[rows["test"]])
    return Material(
        source=source,
        split=split,
        frames={part: source.frames(rows[part]) for part in rows},
        labels={part: source.labels[rows[part]] for part in rows},
        stills=stills,
        held_out_stills=everything.take(np.flatnonzero(tested)),
        pool=_pool(config, source, stills) if config.method.distill else None,
    )


def _pool(config: Config, source: Source, stills: Stills) -> StillPool:
    films = config.method.static_input == "camera"
    if films:
        rng = np.random.default_rng((config.seed, 5))
        stills = stills.take(np.sort(rng.permutation(len(stills))[: config.data.films]))
    missing = [name for label, name in enumerate(source.classes) if label not in stills.labels]
    if missing:
        way_out = "raise --films" if films else "add images that no validation or test recording films"
        raise DatasetError(f"class {missing[0]!r} has no still to train on; {way_out}")
    return StillPool(stills=stills, films=filmed(stills, source.binning, seed=(config.seed, 7)) if films else None)
