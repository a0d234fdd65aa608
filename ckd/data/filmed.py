"""Frames that take long to make, kept under everything that made them: of recordings on disk, and of filmed stills."""

from pathlib import Path

import ckd.events
from ckd.data.base import BORDER, Stills
from ckd.data.cache import cached_frames, stamps
from ckd.events import Binning, Frames, load_frames


def recorded(paths: list[Path], binning: Binning) -> Frames:
    """The frames of recordings on disk, (R, T, 2, H, W), binned once as long as the files stay as they are."""
    key = {"binning": binning, "files": stamps(paths)}
    return cached_frames(lambda: load_frames(paths, binning), key=key, made_by=[ckd.events])


def filmed(stills: Stills, binning: Binning, *, seed: tuple[int, ...]) -> Frames:
    """What an event camera would report of these stills, with varied saccades: (M, T, 2, H, W)."""
    from ckd.data import camera  # compiles
    from ckd.data.camera import Camera, film_frames

    sensor = Camera(height=binning.height, width=binning.width)
    return cached_frames(
        lambda: film_frames(stills.darkness(), sensor, binning, seed=seed, ids=stills.image_ids),
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
