"""The paper's table: N-Caltech101 and CEP-DVS, undistilled, KT, CKD and TMKT, three seeds, beside what was published.

    python -m benchmarks.paper --data-root DIR
    python -m benchmarks.paper --data-root DIR --project        measures two short runs a row, tells the hours
    python -m benchmarks.paper --data-root DIR --datasets cep-dvs --recipes CKD --set iterations=20 batch=8

DIR/DATASET holds each data set, laid out as `ckd.data.folders` says (python -m ckd.download fetches the first). Every
run has a folder below --out: what is finished is read, what was interrupted goes on, and what another process has begun
is left to it, so the command may be started several times at once. Students, schedule and seeds are the presets', which
are the paper's; where its text leaves something open, docs/training.md says what was chosen.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

import ckd
from benchmarks.few_labels import RECIPES, changes_of, with_values
from ckd.config import Config, load_preset
from ckd.console import run_command
from ckd.errors import ConfigError, RunError
from ckd.runs.folder import read_summary
from ckd.training.pipeline import finish_run

PAPER = {
    "undistilled": RECIPES["undistilled"],
    "KT": "heads=two,kd=none",
    "CKD": "",
    "TMKT": "replacement=first-draw,kd=none",
}
"""What each row changes in the preset: He et al. (AAAI 2024) have two heads and no teacher, TMKT mixes by time step."""
PUBLISHED = {
    "n-caltech101": {"undistilled": "78 to 84", "KT": "93.45", "CKD": "97.13", "TMKT": "97.93"},
    "cep-dvs": {"KT": "30.50", "CKD": "40.20"},
}
"""Accuracy in percent. KT: He et al., AAAI 2024; CKD: Ye et al., ICME 2025; TMKT: its own paper; undistilled: the range
that they print. These runs split by original image, stills included, so that no teacher has seen a test image."""
SEEDS = (42, 1024, 90210)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which rows."""

    data_root: Path
    out: Path = Path("results/paper")
    datasets: tuple[str, ...] = tuple(PUBLISHED)
    recipes: tuple[str, ...] = tuple(PAPER)
    seeds: tuple[int, ...] = SEEDS
    set: tuple[str, ...] = ()
    """KEY=VALUE over every row's configuration, to try it shorter; the table is then not the paper's, and says so."""
    project: bool = False
    """Only measure, on the first seed, how long a step takes, and tell the hours of each row."""


@dataclass(frozen=True)
class Row:
    dataset: str
    recipe: str
    configs: dict[int, Config]
    """By seed."""


def main() -> int:
    return run_command(_main)


def _main() -> int:
    options = tyro.cli(Options, description=__doc__)
    rows = list(_rows(options))
    if options.project:
        print(_table(rows, options, lambda row: [f"{_hours(row, options):.1f} h a seed"]))
        return 0
    for row in rows:
        for seed, config in row.configs.items():
            _finish(config, options.out / row.dataset / row.recipe / str(seed))
    print(_table(rows, options, lambda row: _accuracies(row, options.out)))
    return 0


def _rows(options: Options) -> Iterator[Row]:
    for dataset in options.datasets:
        for recipe in options.recipes:
            if recipe not in PAPER:
                raise ConfigError(f"--recipes {recipe}: unknown; known are {', '.join(PAPER)}")
            values = changes_of(PAPER[recipe], recipe) | changes_of(",".join(options.set), "--set")
            values |= {"baseline": False, "data_root": str(options.data_root / dataset)}
            config = with_values(load_preset(dataset), values)
            yield Row(dataset, recipe, {seed: replace(config, seed=seed) for seed in options.seeds})


def _finish(config: Config, out: Path) -> None:
    """Train what is not trained yet, unless another process is at it."""
    try:
        finish_run(config, out)
    except RunError as error:
        print(f"{out}: left out: {error}", file=sys.stderr)


def _accuracies(row: Row, out: Path) -> list[str]:
    found = []
    for seed in row.configs:
        folder = out / row.dataset / row.recipe / str(seed)
        if (folder / "summary.json").is_file():
            found.append(100 * read_summary(folder)["test_accuracy"])
    if not found:
        return ["not finished"]
    spread = f" ± {statistics.stdev(found):.2f}" if len(found) > 1 else ""
    return [f"{statistics.mean(found):.2f}{spread} ({len(found)} of {len(row.configs)} seeds)"]


def _hours(row: Row, options: Options) -> float:
    """Of a whole run: the difference of two short ones leaves out what both take to begin."""
    config = next(iter(row.configs.values()))
    took = []
    for iterations in (2, 6):
        training = replace(config.training, iterations=iterations, evaluations=1, warmup=0)
        teacher = replace(config.teacher, teacher_iterations=1)
        began = time.monotonic()
        out = options.out / "projected" / row.dataset / row.recipe / str(iterations)
        ckd.train_run(replace(config, training=training, teacher=teacher), out, overwrite=True)
        took.append(time.monotonic() - began)
    return max(0.0, took[1] - took[0]) / 4 * config.training.iterations / 3600


def _table(rows: list[Row], options: Options, measured: Any) -> str:
    head = ["data set", "recipe", "hours" if options.project else "measured, %", "published, %"]
    lines = [head, ["---"] * len(head)]
    lines += [
        [row.dataset, row.recipe, *measured(row), PUBLISHED.get(row.dataset, {}).get(row.recipe, "")] for row in rows
    ]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return table if not options.set else f"{table}\nNot the paper's settings: {json.dumps(list(options.set))}"


if __name__ == "__main__":
    sys.exit(main())
