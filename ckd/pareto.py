"""python -m ckd.pareto: what a run's student is worth with fewer spikes, accuracy against synaptic operations.

The run is trained again with ever smaller budgets, each in a folder of its own, and all are measured on the test
recordings. What is there already is not trained again, so an interrupted command goes on.

Example:
  python -m ckd.pareto runs/few
  python -m ckd.pareto runs/few --fractions 0.5 0.2 0.1
"""

import sys

if __name__ == "__main__":  # before anything that takes time to import, and may be interrupted
    from ckd.files import start_command

    sys.exit(start_command("ckd.pareto"))

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from ckd.config import Config
from ckd.config.factories import is_factory
from ckd.console import RichReporter, pareto_table, run_command
from ckd.errors import ConfigError, RunError
from ckd.files import Interruption, fill, read_arguments, write_then_rename
from ckd.training.cost import energy

if TYPE_CHECKING:
    from ckd.training.reporter import Reporter

SPENT = ("test_accuracy", "activity", "synaptic_operations", "neuron_updates")
"""What of a run's summary a point is made of."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which run."""

    run: tyro.conf.Positional[Path]
    """A finished run."""
    fractions: tuple[float, ...] = (0.5, 0.25, 0.1, 0.05)
    """Budgets, as shares of the synaptic operations that the run's student does."""
    dataset: str | None = None
    """PACKAGE.MODULE:FACTORY of a run whose data set is from outside, said again: its code runs."""
    json: bool = False
    """Print JSON for a program to read."""


def main(arguments: list[str] | None = None) -> int:
    return run_command(lambda: _main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: list[str]) -> int:
    options = read_arguments(Options, prog="python -m ckd.pareto", description=__doc__, args=arguments)
    factories = [] if options.dataset is None else [options.dataset]
    interruption = Interruption()
    with interruption, RichReporter(interruption=interruption) as reporter:
        points = pareto(options.run, options.fractions, factories=factories, reporter=reporter)
    if options.json:
        print(json.dumps(points))
    else:
        pareto_table(points, options.run / "pareto.png")
    return 0


def pareto(
    run: Path,
    fractions: Collection[float],
    *,
    factories: Collection[str] = (),
    reporter: "Reporter | None" = None,
) -> list[dict[str, Any]]:
    """Train a run's student again within budgets of its synaptic operations, and measure all of them.

    Writes pareto.json and pareto.png into the run's folder, and the trained students into pareto/.

    Args:
        run: folder of a finished run of a student of this package.
        fractions: the budgets, above 0 and below 1, as shares of what its student does.
        factories: as for `ckd.runs.folder.load_run`.
        reporter: is told how far it has come.

    Returns:
        one record a student, the run's own first: fraction, folder, test_accuracy, activity, synaptic_operations, and
        energy in joule a recording (synapses and neurons of Loihi).

    Raises:
        ConfigError: a fraction is out of range, the run's student is from outside, or its data set is and not named.
        RunError: the run is unfinished.
    """
    from ckd.runs.folder import read_config, read_summary, trusted_config
    from ckd.training.pipeline import finish_run

    student = read_config(run).student.student
    if is_factory(student):
        raise ConfigError(f"{run}: nobody knows the layers of {student}, so what it spends has no budget")
    summary, config = read_summary(run), trusted_config(run, factories)
    if not all(isinstance(summary.get(name), int | float) for name in SPENT):
        raise RunError(f"{run}: its summary does not say what its student spends; train it with this version")
    if not fractions:
        raise ConfigError("--fractions: names no budget; give shares of what the run spends, say 0.5 0.1")
    for fraction in fractions:
        if not 0 < fraction < 1:
            raise ConfigError(f"--fractions (={fraction}) must lie between 0 and 1: shares of what the run spends")
    points = [_point(run, 1.0, summary)]
    for fraction in sorted(fractions, reverse=True):
        folder = run / "pareto" / f"{fraction:g}"
        within = _within(config, fraction * summary["synaptic_operations"], run)
        points.append(_point(folder, fraction, finish_run(within, folder, factories=factories, reporter=reporter)))
    for name, content in (
        ("pareto.json", f"{json.dumps(points, indent=2)}\n".encode()),
        ("pareto.png", _drawn(points)),
    ):
        with write_then_rename(run / name) as temporary:
            fill(temporary, content)
    return points


def _within(config: Config, budget: float, run: Path) -> Config:
    """The run's configuration with a budget, and its own teacher."""
    teacher = replace(config.teacher, teacher_file=str((run / "teacher.safetensors").resolve()))
    method = replace(config.method, synaptic_operations=budget, baseline=False)
    return replace(config, method=method, teacher=teacher if config.needs_teacher else config.teacher)


def _point(folder: Path, fraction: float, summary: dict[str, Any]) -> dict[str, Any]:
    joule = energy(summary["synaptic_operations"], summary["neuron_updates"], summary["activity"])
    kept = {name: summary[name] for name in SPENT[:3]}
    return {"fraction": fraction, "run": str(folder), **kept, "energy": joule}


def _drawn(points: list[dict[str, Any]]) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axis = figure.subplots()
    blank = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # or the curve runs through the words
    operations = [point["synaptic_operations"] / 1e6 for point in points]
    axis.plot(operations, [100 * point["test_accuracy"] for point in points], "o-")
    for x, point in zip(operations, points, strict=True):
        label = f"{1e6 * point['energy']:.0f} µJ"
        beside = {"xytext": (0, 8), "textcoords": "offset points", "ha": "center", "fontsize": 8, "bbox": blank}
        axis.annotate(label, (x, 100 * point["test_accuracy"]), **beside)
    axis.set(xscale="log", xlabel="synaptic operations a recording, millions", ylabel="accuracy on test recordings, %")
    # The points themselves as ticks: powers of ten are too few, and what lies between them is written as powers.
    axis.set_xticks(operations, [f"{x:.3g}" for x in operations])
    axis.set_xticks([], minor=True)
    axis.margins(0.1, 0.15)
    axis.grid(alpha=0.3)
    picture = BytesIO()
    figure.savefig(picture, dpi=110)
    return picture.getvalue()
