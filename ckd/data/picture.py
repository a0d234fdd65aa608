"""A picture of recordings beside stills: are they what they should be?"""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ckd.data.inspection import Inspection
from ckd.errors import ConfigError
from ckd.events.colors import colored
from ckd.files import fill, write_then_rename

MARK = b"recordings beside stills, of ckd.inspect"
"""In every picture, which tells it from others."""
COLUMNS = 8
"""Steps that are shown at most."""


def draw_inspection(found: Inspection, path: Path) -> None:
    """A row a class: the frames of a recording, light that rose red and light that fell blue, and a still of it."""
    from matplotlib.figure import Figure

    assert found.frames is not None
    stills = found.stills
    steps = np.linspace(0, found.data.time_steps - 1, min(COLUMNS, found.data.time_steps)).round().astype(int)
    figure = Figure(figsize=(1.3 * (len(steps) + 1), 1.4 * len(found.rows) + 0.4), layout="constrained")
    axes = figure.subplots(len(found.rows), len(steps) + 1, squeeze=False)
    for row, (line, recording) in enumerate(zip(axes, found.rows, strict=True)):
        for axis, step in zip(line, steps, strict=False):
            axis.imshow(colored(found.frames[row, step]), interpolation="nearest")
            if row == 0:
                axis.set_title(f"{step * found.data.step_us / 1000:g} ms", fontsize=8)
        label = int(found.source.labels[recording])
        _show_still(line[-1], stills.images[stills.labels == label])
        line[0].set_ylabel(found.source.classes[label][:16], fontsize=8)
        for axis in line:
            axis.set(xticks=[], yticks=[])
    axes[0, -1].set_title("image", fontsize=8)
    picture = BytesIO()
    figure.savefig(picture, dpi=110, format="png", metadata={"Title": MARK.decode()})
    with write_then_rename(path) as temporary:
        fill(temporary, picture.getbuffer())


def require_picture(path: Path) -> None:
    """Raise ConfigError where something lies at `path` that no earlier call of `draw_inspection` wrote."""
    if not path.exists():
        return
    if path.is_file():
        with path.open("rb") as file:
            if MARK in file.read(1000):
                return
    raise ConfigError(f"--picture {path}: lies there and is no picture of this command; give another name")


def _show_still(axis: Any, images: NDArray[np.uint8]) -> None:
    if len(images):
        axis.imshow(images[0].transpose(1, 2, 0).squeeze(), cmap="gray", vmin=0, vmax=255)
    else:
        axis.text(0.5, 0.5, "none", ha="center", va="center", transform=axis.transAxes)
