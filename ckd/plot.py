"""Pictures for a notebook: the events of a recording, its frames, the accuracy of a run. Never loads torch.

>>> from ckd import plot
>>> axes = plot.frames(frames[0])

Each function draws into the Axes that it is given, or into a new figure, and returns them.
Light that rose is red, light that fell blue.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ckd.errors import RecordingError, RunError
from ckd.events import Events, Frames
from ckd.events.colors import colored
from ckd.files import how_to_install
from ckd.runs.metrics import read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROSE, FELL = "#dc2626", "#2563eb"
MOST_EVENTS = 50_000
"""Points that are drawn; of more events, every second, third and so on."""
COLUMNS = 8


def events(recording: Events, *, axes: "Axes | None" = None) -> "Axes":
    """A recording's events, x against time in milliseconds: what moved leaves lines.

    Args:
        recording: structured array of `EVENT_DTYPE`, as `read_recording` gives it.
        axes: to draw into; None: those of a new figure.

    Raises:
        RecordingError: there are no events.
    """
    if not len(recording):
        raise RecordingError("the recording holds no events to draw; give at least one")
    axes = axes or new_axes()
    shown = recording[:: -(-len(recording) // MOST_EVENTS)]
    milliseconds = (shown["t"] - recording["t"].min()) / 1000
    for polarity, color, label in ((1, ROSE, "light rose"), (0, FELL, "light fell")):
        of = shown["p"] == polarity
        axes.scatter(milliseconds[of], shown["x"][of], s=2, lw=0, color=color, label=label)
    axes.set(xlabel="time in ms", ylabel="x", title=f"{len(recording):,} events")
    axes.legend(markerscale=4, loc="upper right", fontsize=8)
    return axes


def frames(recording: Frames, *, step_us: int | None = None, axes: "Axes | None" = None) -> "Axes":
    """Up to 8 of a recording's frames side by side, evenly spread over its steps.

    Args:
        recording: (T, 2, H, W) counts of light that fell and that rose, as `to_frames` gives them.
        step_us: length of a step in microseconds, for the times below the frames; None: steps are counted.
        axes: to draw into; None: those of a new figure.

    Raises:
        RecordingError: another shape.
    """
    if recording.ndim != 4 or recording.shape[1] != 2 or 0 in recording.shape:
        raise RecordingError(
            f"frames of shape {recording.shape}; a picture takes (T, 2, H, W) of one recording: frames[0] of several"
        )
    count, _, height, width = recording.shape
    steps = np.linspace(0, count - 1, min(COLUMNS, count)).round().astype(int)
    axes = axes or new_axes(figsize=(1.3 * len(steps), 1.3 * height / width + 0.7))
    gap = max(1, width // 16)
    strip = np.full((height, len(steps) * (width + gap) - gap, 3), 0.75, np.float32)
    starts = np.arange(len(steps)) * (width + gap)
    for start, frame in zip(starts, colored(recording[steps]), strict=True):
        strip[:, start : start + width] = frame
    axes.imshow(strip, interpolation="nearest")
    labels = [f"{step}" if step_us is None else f"{step * step_us / 1000:g} ms" for step in steps]
    axes.set_xticks(starts + (width - 1) / 2, labels, fontsize=8)
    axes.tick_params(length=0)
    axes.set(yticks=[], xlabel="step" if step_us is None else "time")
    axes.spines[:].set_visible(False)
    return axes


def accuracy(run: Path | str, *, axes: "Axes | None" = None) -> "Axes":
    """The accuracy of a run's networks on its validation recordings against the iteration, a line a stage.

    Args:
        run: folder of the run.
        axes: to draw into; None: those of a new figure.

    Raises:
        RunError: the folder holds no run, or nothing of it was measured on validation recordings.
    """
    measured = {
        stage: points
        for stage, records in read_metrics(Path(run)).items()
        if (points := [(r["iteration"], r["validation_accuracy"]) for r in records if "validation_accuracy" in r])
    }
    if not measured:
        raise RunError(f"{run}: holds no accuracy on validation recordings; give the folder of a run that has some")
    axes = axes or new_axes()
    for stage, points in measured.items():
        axes.plot(*zip(*points, strict=True), "o-", ms=3, lw=1, label=stage)
    axes.set(xlabel="iteration", ylabel="accuracy, validation", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return axes


def new_axes(figsize: tuple[float, float] = (6, 3.2)) -> "Axes":
    """The Axes of a new figure, which a notebook shows by itself."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(f"matplotlib is missing; pictures need it: {how_to_install('report')}") from None
    return plt.subplots(figsize=figsize, layout="constrained")[1]
