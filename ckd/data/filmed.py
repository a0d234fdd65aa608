"""Frames that take long to make, kept under everything that made them: of recordings on disk, and of filmed stills."""

from pathlib import Path

import numpy as np

import ckd.events
from ckd.data.base import BORDER, Stills
from ckd.data.cache import cached_frames, stamps
from ckd.data.stored import AnyFrames
from ckd.events import Binning, load_frames


def recorded(paths: list[Path], binning: Binning) -> AnyFrames:
    """The frames of recordings on disk, (R, T, 2, H, W), binned once as long as the files stay as they are."""
    key = {"binning": binning, "files": stamps(paths)}
    return cached_frames(
        lambda rows: load_frames(paths[rows], binning),
        (len(paths), binning.steps, *binning.frame_shape),
        bits=binning.max_count == 1,
        key=key,
        made_by=[ckd.events],
    )


def filmed(stills: Stills, binning: Binning, *, seed: tuple[int, ...]) -> AnyFrames:
    """What an event camera would report of these stills, with varied saccades: (M, T, 2, H, W)."""
    from ckd.data import camera  # compiles
    from ckd.data.camera import Camera, film_frames

    sensor = Camera(height=binning.height, width=binning.width)
    return cached_frames(
        lambda rows: film_frames(
            stills.take(np.arange(len(stills))[rows]).darkness(), sensor, binning, seed=seed, ids=stills.image_ids[rows]
        ),
        (len(stills), binning.steps, *binning.frame_shape),
        bits=binning.max_count == 1,
        key={
            "camera": sensor,
            "binning": binning,
            "seed": seed,
            "ids": stills.image_ids.tolist(),
            "dark on bright": stills.dark_on_bright,
            "border": BORDER,
            "images": stills.digest(),
        },
        made_by=[camera, ckd.events],
    )
