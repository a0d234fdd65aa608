"""What a command shows a person: progress, tables, one clear line for an error."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ckd.errors import CkdError
from ckd.files import Interrupted, Interruption, escaped, in_words, missing_extra, one_line, until_nobody_reads


def run_command(command: Callable[[], int], *also: type[Exception]) -> int:
    """Run a command; an error of the user's, `CkdError` or one of `also`, is one line on stderr and exit code 2."""
    try:
        with until_nobody_reads():
            return command()
    except (CkdError, OSError, *also) as error:
        # OSError: a full disk, a folder that may not be written.
        print(f"error: {one_line(in_words(error))}", file=sys.stderr)
        return 2
    except (MemoryError, RecursionError) as error:
        print(f"error: {one_line(f'{type(error).__name__} {error}')}: what was given is too large", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        print(f"error: {missing}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as end:
        print("interrupted", file=sys.stderr)
        return end.code if isinstance(end, Interrupted) else 130


class PlainConsole(Console):
    """A console that takes nothing in a string for markup or for a terminal's commands: names come from outside."""

    def render_str(self, text: str, **options: Any) -> Text:
        plain: dict[str, Any] = options | {"markup": False, "emoji": False}
        return super().render_str(escaped(text), **plain)

    def on_broken_pipe(self) -> None:
        raise  # to `until_nobody_reads`; rich ends with code 1


EVERY = 30.0
"""Seconds between two lines of a stage, where output is no terminal."""
BESIDE_LOSSES = {"stage", "iteration", "P", "W", "lr"}


class RichReporter:
    """A progress bar a stage, on stderr; lines where that is no terminal. `out` is the run folder, once it is there.

    Args:
        shown: whether anything is.
        interruption: what tells whether the user wants the command to end.
    """

    def __init__(self, *, shown: bool = True, interruption: Interruption | None = None) -> None:
        self.shown = shown
        self.out: Path | None = None
        self._interruption = interruption
        self._title, self._total, self._first = "", 0, 0
        self._began = self._told = time.monotonic()
        self._figures: dict[str, Any] = {}
        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=(console := PlainConsole(stderr=True)),
            disable=not (shown and console.is_terminal),
        )
        self._lines = shown and not console.is_terminal
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        if self._task is not None:  # or it would print an empty line before an error
            self._progress.stop()

    def began(self, out: Path) -> None:
        self.out = out

    def note(self, text: str) -> None:
        if self.shown:
            self._progress.console.print(f"note: {text}", soft_wrap=True, highlight=False)

    def stage(self, title: str, total: int | None, done: int = 0) -> None:
        self._close()
        self._progress.start()
        self._task = self._progress.add_task(title, total=total, completed=done)
        self._title, self._total, self._first, self._figures = title, total or 0, done, {}
        self._began = self._told = time.monotonic()
        if self._lines:
            self._line(title if total is None else f"{title}: {total - done} iterations")

    def figures(self, record: dict[str, Any]) -> None:
        self._figures = record

    def advance(self, done: int) -> None:
        self._progress.update(self._task, completed=done)
        if self._lines and (self._is_due() or done == self._total or "validation_accuracy" in self._figures):
            self._line(self._so_far(done))

    def deferring(self) -> AbstractContextManager[Callable[[], bool]]:
        return nullcontext(lambda: False) if self._interruption is None else self._interruption.deferred()

    def _is_due(self) -> bool:
        return time.monotonic() - self._told > EVERY

    def _so_far(self, done: int) -> str:
        """A line: how much of the stage is done, what its last iteration gave, and how long it still takes."""
        seconds = time.monotonic() - self._began
        left = seconds / max(1, done - self._first) * (self._total - done)
        figures = {name: value for name, value in self._figures.items() if isinstance(value, float)}
        shown = [f"{name} {value:.4g}" for name, value in figures.items() if name not in BESIDE_LOSSES]
        return ", ".join([f"{self._title} {done}/{self._total}", *shown, f"{left:.0f} s left"])

    def _line(self, text: str) -> None:
        self._told = time.monotonic()
        self._progress.console.print(text, soft_wrap=True, highlight=False)

    def _close(self) -> None:
        if self._task is not None and self._progress.tasks[-1].total is None:
            self._progress.update(self._task, total=1, completed=1)


def results_table(summary: dict[str, Any], out: Path) -> None:
    """The end of a run: accuracies on test recordings that nothing was trained or chosen on."""
    tested = summary["recordings"]["test"]
    table = Table(
        title=f"{summary['dataset']}, {summary['recordings']['train']} labeled recordings, seed {summary['seed']}"
    )
    table.add_column("")
    table.add_column(f"accuracy on {tested} test recordings", justify="right")
    rows = {
        "student, distilled" if summary["distilled"] else "student, undistilled": "test_accuracy",
        "same student, undistilled": "baseline_test_accuracy",
        "teacher (on the stills of the test recordings)": "teacher_accuracy",
    }
    for title, key in rows.items():
        if key in summary:
            table.add_row(title, f"{summary[key]:.1%}")
    console = PlainConsole()
    console.print(table)
    console.print(f"{summary['seconds']:.0f} s; run folder: {out}", highlight=False, soft_wrap=True)
    console.print(f"next, onto the grid and checked: ckd-export {out}", highlight=False, soft_wrap=True)


def inspection_tables(found: dict[str, Any]) -> None:
    """What a data set holds, class by class, and what its binning keeps."""
    console = PlainConsole()
    table = Table(title=f"{len(found['classes'])} classes")
    for title in ("class", "recordings", "images", "ms (median)", "events (median)", "events a ms"):
        table.add_column(title, justify="left" if title == "class" else "right")
    for each in found["classes"]:
        figures = [each["milliseconds"], each["events"], each["events_per_ms"]]
        shown = ["-" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}" for value in figures]
        table.add_row(each["name"], f"{each['recordings']:,}", f"{each['images']:,}", *shown)
    console.print(table)
    binned = [] if found["size"] is None else _on_binning(found)
    for line in (*binned, *(f"note: {note}" for note in found["notes"])):
        console.print(line, highlight=False, soft_wrap=True)


def _on_binning(found: dict[str, Any]) -> list[str]:
    sensor = found["sensor"] or (found["size"], found["size"])
    lines = [f"sensor {sensor[0]} x {sensor[1]}, frames {found['size']} x {found['size']} (--sensor, --size)"]
    if found["extent"] is not None:
        lines.append(f"events reach {found['extent'][0]} x {found['extent'][1]} pixels; their times are microseconds")
    window = found["time_steps"] * found["step_us"] / 1000
    lines.append(f"{found['time_steps']} steps of {found['step_us']:,} us: {window:,.0f} ms (--time-steps, --step-us)")
    if found["kept"] is not None:
        lines.append(f"{found['kept']:.0%} of the recordings keep nine tenths of their events or more")
    if found["lit"]:
        lines.append(f"lit in each step: {' '.join(f'{share:.1%}' for share in found['lit'])} of a frame")
    return lines


def evaluation_table(result: dict[str, Any]) -> None:
    """Accuracy by class, by time step, and spike rates of the layers."""
    table = Table(title=f"{result['accuracy']:.1%} of {result['recordings']} recordings right")
    table.add_column("class")
    table.add_column("accuracy", justify="right")
    for name, value in result["accuracy_per_class"].items():
        table.add_row(name, f"{value:.1%}")
    console = PlainConsole()
    console.print(table)
    if result.get("trained_on"):
        console.print(
            f"note: {result['trained_on']} of these {result['recordings']} recordings trained or chose this student; "
            "without --events the run's test recordings are measured",
            highlight=False,
            soft_wrap=True,
        )
    steps = " ".join(f"{value:.1%}" for value in result["accuracy_per_step"])
    console.print(f"accuracy after each time step: {steps}", highlight=False)
    rates = "  ".join(f"{name} {rate:.1%}" for name, rate in result["spike_rate"].items())
    if rates:
        console.print(f"neurons that spike in a step: {rates}", highlight=False)
    for row in (*result.get("by_step", ()), *([result["exit"]] if "exit" in result else ())):
        where = f"ended at a margin of {row['margin']:.4g}" if "margin" in row else "ended"
        console.print(
            f"{where} after {row['steps']:.4g} steps: {row['accuracy']:.1%}, {row['synaptic_operations']:,.0f} "
            f"synaptic operations, {row['energy'] * 1e6:.1f} uJ a recording",
            highlight=False,
        )


def comparison_table(rows: list[dict[str, Any]]) -> None:
    """Recipes by accuracy, mean and spread over seeds."""
    table = Table(title="accuracy on test recordings, mean and standard deviation over seeds")
    for title in ("recipe", "seeds", "student", "undistilled", "teacher"):
        table.add_column(title)
    for row in rows:
        recipe = ", ".join(f"{name.rpartition('.')[2]}={value}" for name, value in row["recipe"].items())
        cells = [_with_spread(row.get(f"{name}_accuracy")) for name in ("test", "baseline_test", "teacher")]
        table.add_row(recipe or "all alike", ", ".join(map(str, row["seeds"])), *cells)
    PlainConsole().print(table)


def pareto_table(points: list[dict[str, Any]], picture: Path) -> None:
    """What each student spends, and how often it is right."""
    table = Table(title="the same student within budgets")
    for title in ("budget", "synaptic operations", "of the run's", "spikes a neuron and step", "energy", "accuracy"):
        table.add_column(title, justify="right")
    whole = points[0]["synaptic_operations"]
    for point in points:
        operations = point["synaptic_operations"]
        table.add_row(
            "none" if point is points[0] else f"{point['fraction']:g}",
            f"{operations / 1e6:,.2f} M",
            f"1 / {whole / operations:.1f}" if operations else "",
            f"{point['activity']:.2%}",
            f"{1e6 * point['energy']:.1f} µJ",
            f"{point['test_accuracy']:.1%}",
        )
    console = PlainConsole()
    console.print(table)
    console.print(f"a recording each; picture: {picture}", highlight=False)


def _with_spread(value: dict[str, Any] | None) -> str:
    if value is None:
        return "-"
    spread = "" if value["spread"] is None else f" ± {value['spread']:.1%}"
    return f"{value['mean']:.1%}{spread}"
