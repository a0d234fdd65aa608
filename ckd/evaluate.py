"""python -m ckd.evaluate: accuracy of a trained student on recordings, their labels the folder names.

Example:
  python -m ckd.evaluate runs/digits-seed0                        the run's own test recordings
  python -m ckd.evaluate runs/few --events RECORDINGS --json      RECORDINGS/<class>/<recording>
  python -m ckd.evaluate runs/own --student my_models:make --dataset my_data:make
"""

import sys

if __name__ == "__main__":  # before anything that takes time to import, and may be interrupted
    from ckd.files import start_command

    sys.exit(start_command("ckd.evaluate"))

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from ckd.console import run_command
from ckd.errors import ConfigError, RecordingError, RunError
from ckd.files import read_arguments

if TYPE_CHECKING:
    from ckd.events.types import Int
    from ckd.runs.folder import Run
    from ckd.training.measure import Measured


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    events: Path | None = None
    """Folder of recordings as <class>/<recording>; left out: the run's test recordings."""
    baseline: bool = False
    """Measure the student that was trained without distillation."""
    student: str | None = None
    """PACKAGE.MODULE:FACTORY of a run whose student is from outside, said again: its code runs."""
    dataset: str | None = None
    """The same of its data set."""
    exit_loss: float | None = None
    """Also end every recording where its answer is clear, by a margin that costs at most this share of the run's
    validation recordings, say 0.01."""
    json: bool = False
    """Print JSON for a program to read."""


def main(arguments: list[str] | None = None) -> int:
    return run_command(lambda: _main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: list[str]) -> int:
    options = read_arguments(Options, prog="python -m ckd.evaluate", description=__doc__, args=arguments)
    factories = [name for name in (options.student, options.dataset) if name is not None]
    student = "baseline" if options.baseline else "student"
    result = evaluate(
        options.run, events=options.events, student=student, factories=factories, exit_loss=options.exit_loss
    )
    if options.json:
        print(json.dumps(result))
        return 0
    from ckd.console import evaluation_table

    evaluation_table(result)
    return 0


def evaluate(
    path: Path,
    *,
    events: Path | None,
    student: str = "student",
    factories: Collection[str] = (),
    exit_loss: float | None = None,
) -> dict[str, Any]:
    """Accuracy (overall, by time step, by class) and spike rates of a run's student.

    Args:
        path: run folder.
        events: recordings as <class>/<recording>, or None for the run's test recordings.
        student: "student" or "baseline".
        factories: as for `ckd.runs.folder.load_run`.
        exit_loss: what share of the validation recordings an early exit may cost; None: no exit.

    Raises:
        RunError: the run cannot be read, or has nothing to choose an exit by.
        RecordingError: a recording cannot, or its class is none of the run's.
        ConfigError: a share out of range; the run names a factory that is not among `factories` or cannot be imported.
    """
    import numpy as np

    from ckd.data.stored import Recordings
    from ckd.events import find_recordings
    from ckd.runs.folder import load_run
    from ckd.training.exits import by_step
    from ckd.training.measure import measure

    if exit_loss is not None and not 0 <= exit_loss <= 1:
        raise ConfigError(f"--exit-loss (={exit_loss}) must lie between 0 and 1: a share of the recordings")
    run = load_run(path, student=student, factories=factories)
    seen = 0
    if events is None:
        frames, labels, _ = run.recordings("test")
    else:
        paths, folders = find_recordings(events)
        unknown = sorted(set(folders) - set(run.classes))
        if unknown:
            raise RecordingError(
                f"{events}: folder {unknown[0]!r} is none of the run's classes ({', '.join(run.classes[:12])}); "
                "the folders' names are the labels"
            )
        own = {*run.split.train, *run.split.validation}
        seen = sum(path.relative_to(events).as_posix() in own for path in paths)
        frames = Recordings(paths, run.binning)
        labels = np.asarray([run.classes.index(name) for name in folders], np.int64)
    measured = measure(run.student, frames, labels)
    ends = {} if exit_loss is None else {"exit": _exit(run, exit_loss, measured, labels)}
    by_class = {
        name: float((measured.predictions[labels == k] == k).mean())
        for k, name in enumerate(run.classes)
        if (labels == k).any()
    }
    return {
        "accuracy": measured.accuracy,
        "recordings": len(labels),
        **({"trained_on": seen} if seen else {}),
        "accuracy_per_step": measured.accuracy_per_step,
        "accuracy_per_class": by_class,
        "spike_rate": measured.rates,
        **({"by_step": by_step(measured)} if measured.spent else {}),
        **ends,
    }


def _exit(run: "Run", loss: float, measured: "Measured", labels: "Int") -> dict[str, float]:
    """What an exit is worth on what was measured; its margin is chosen on the validation recordings."""
    import torch

    from ckd.training.exits import choose_margin, with_exit
    from ckd.training.measure import measure

    frames, known, _ = run.recordings("validation")
    if not len(known) or len(run.classes) < 2 or not measured.spent:
        raise RunError(
            f"{run.path}: --exit-loss needs validation recordings, two classes and a student whose layers are known"
        )
    margin = choose_margin(measure(run.student, frames, known).logits, torch.from_numpy(known), loss)
    return with_exit(measured, torch.from_numpy(labels), margin)
