"""Photographs of Caltech 101, some of them filmed by the camera model: recordings and stills in folders of classes."""

import tarfile
from collections import defaultdict
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ckd.data.base import BORDER, Stills
from ckd.data.camera import Camera, film
from ckd.errors import DatasetError
from ckd.events import write_recording
from ckd.files import fill

SIZE = 48
LEFT_OUT = frozenset({"BACKGROUND_Google", "Faces_easy"})
"""No class, and the photographs of another one again."""
SEGMENTS, SEGMENT_MS = 3, 100


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How many photographs of a class are filmed; all others are its stills."""

    classes: int | None
    """Those with the most photographs; None: all."""
    recordings: int
    """To train, validate and test on."""
    trials: int
    """To choose settings by. They lie in a folder of their own, so no choice can have seen a test recording."""


SCALES = {
    "laptop": Scale(classes=20, recordings=30, trials=14),
    "day": Scale(classes=None, recordings=18, trials=0),
}


def make_folders(tar: Path, scale: Scale, out: Path) -> None:
    """Write recordings and images below OUT/test and OUT/trials, as `--dataset folder` reads them; once.

    Which photographs are filmed, and how, is the same for every run: it depends on their names alone.

    Raises:
        DatasetError: the photographs are missing.
    """
    if (out / "complete").is_file():
        return
    if not tar.is_file():
        raise DatasetError(f"{tar}: missing; Caltech 101 in 64 x 64 pixels, <class>/image_<id>.jpg, belongs there")
    photographs = _photographs(tar, scale.classes)
    for name, files in photographs.items():
        order = np.random.default_rng([*name.encode()]).permutation(len(files))
        names = [sorted(files)[place] for place in order]
        filmed = {"test": names[: scale.recordings], "trials": names[scale.recordings :][: scale.trials]}
        for part in (part for part, chosen in filmed.items() if chosen):
            for each in filmed[part]:
                events = film(_darkness(files[each]), *_camera(f"{name}/{each}"))
                write_recording(out / part / "recordings" / name / f"filmed-{each}.bin", events)
            for each in names[scale.recordings + scale.trials :]:
                place = out / part / "images" / name / f"{each}.jpg"
                place.parent.mkdir(parents=True, exist_ok=True)
                fill(place, files[each])
    fill(out / "complete", b"")


def _photographs(tar: Path, classes: int | None) -> dict[str, dict[str, bytes]]:
    """By class and name, the JPEG; of the classes with the most photographs."""
    found: dict[str, dict[str, bytes]] = defaultdict(dict)
    with tarfile.open(tar) as archive:
        for member in archive:
            place, content = Path(member.name), archive.extractfile(member)
            if place.suffix == ".jpg" and place.parent.name not in LEFT_OUT and content is not None:
                found[place.parent.name][place.stem] = content.read()
    most = sorted(found, key=lambda name: (-len(found[name]), name))[:classes]
    return {name: found[name] for name in sorted(most)}


def _darkness(jpeg: bytes) -> NDArray[np.float32]:
    """What the camera sees of a photograph: (SIZE + 2 BORDER, the same), as a training's own films would show it."""
    from PIL import Image

    with Image.open(BytesIO(jpeg)) as image:
        pixels = np.asarray(image.convert("RGB").resize((SIZE, SIZE))).transpose(2, 0, 1)
    one = np.zeros(1, np.int64)
    return Stills(images=pixels[None], labels=one, image_ids=one).darkness()[0]


def _camera(name: str) -> tuple[Camera, np.random.Generator]:
    """A camera of this recording's own: other saccades, threshold, contrast and noise than those fitted to N-MNIST."""
    rng = np.random.default_rng([*name.encode()])
    corners = rng.uniform(-6, 6, (SEGMENTS + 1, 2))
    begin = int(rng.integers(5, 25))
    camera = replace(
        Camera(height=SIZE, width=SIZE),
        path=tuple((float(x), float(y)) for x, y in corners),
        segment_ms=SEGMENT_MS,
        motion_ms=(begin, int(rng.integers(begin + 40, SEGMENT_MS))),
        bright=float(rng.uniform(120, 255)),
        dark=float(rng.uniform(5, 20)),
        threshold=float(rng.uniform(0.3, 0.6)),
        threshold_spread=float(rng.uniform(0.04, 0.1)),
        noise_hz=float(rng.uniform(1, 5)),
    )
    assert np.abs(corners).max() < BORDER
    return camera, rng
