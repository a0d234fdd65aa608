"""Stands in for your camera: MINE/recordings/<class>/*.npz and MINE/images/<class>/*.png of three shapes.

Recordings are what a sensor of 48 x 48 pixels reports of a shape that moves for 300 ms; images are other shapes of the
same classes, of any size, dark on bright.
"""

from pathlib import Path

import numpy as np
from PIL import Image

OUT = Path("MINE")
SIDE, RECORDINGS, IMAGES = 48, 20, 40


def shape(name: str, across: float, x: float, y: float) -> np.ndarray:
    """Where a shape of that size is, centered at x, y: (SIDE, SIDE) bool."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    right, down = np.abs(columns - x), np.abs(rows - y)
    match name:
        case "square":
            return np.maximum(right, down) < across
        case "disk":
            return right**2 + down**2 < across**2
        case _:
            return (np.minimum(right, down) < across / 3) & (np.maximum(right, down) < across)


def record(name: str, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """The events of a shape that goes around a circle: x, y, t in microseconds, p."""
    across, middle = rng.uniform(7, 11), rng.uniform(20, 28, 2)
    times, turns = np.arange(0, 300_000, 2000), rng.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi, 150)
    before, parts = None, []
    for t, turn in zip(times, turns, strict=True):
        dark = shape(name, across, middle[0] + 6 * np.cos(turn), middle[1] + 6 * np.sin(turn))
        if before is not None:
            y, x = np.nonzero(dark != before)
            parts.append((x, y, t + rng.integers(0, 2000, len(x)), before[y, x]))  # light rises where dark was
        before = dark
    return tuple(np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True))


def main() -> None:
    """Write all files."""
    rng = np.random.default_rng(0)
    for name in ("cross", "disk", "square"):
        for kind in ("recordings", "images"):
            (OUT / kind / name).mkdir(parents=True, exist_ok=True)
        for i in range(RECORDINGS):
            x, y, t, p = record(name, rng)
            np.savez(OUT / "recordings" / name / f"recording{i:02}.npz", x=x, y=y, t=t, p=p)
        for i in range(IMAGES):
            dark = shape(name, rng.uniform(9, 16), *rng.uniform(20, 28, 2))
            Image.fromarray(np.where(dark, 40, 220).astype(np.uint8)).save(OUT / "images" / name / f"image{i:02}.png")
    print(f"wrote {OUT}: 3 classes, {RECORDINGS} recordings and {IMAGES} images of each")


if __name__ == "__main__":
    main()
