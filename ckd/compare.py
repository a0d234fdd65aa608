"""python -m ckd.compare: runs side by side, mean and spread over seeds.

Example:
  python -m ckd.compare runs/few-seed0 runs/few-seed1 runs/published-seed0
"""

import sys

if __name__ == "__main__":  # before anything that takes time to import, and may be interrupted
    from ckd.files import start_command

    sys.exit(start_command("ckd.compare"))

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from ckd.config import config_to_dict
from ckd.console import comparison_table, run_command
from ckd.errors import RunError
from ckd.files import read_arguments


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which runs."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders; those that differ in the seed alone share a line."""
    json: bool = False
    """Print JSON for a program to read."""


def main(arguments: list[str] | None = None) -> int:
    return run_command(lambda: _main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: list[str]) -> int:
    options = read_arguments(Options, prog="python -m ckd.compare", description=__doc__, args=arguments)
    if not options.runs:
        raise RunError("no run folders to compare; give some: python -m ckd.compare runs/one runs/other")
    rows = compare(options.runs)
    if options.json:
        print(json.dumps(rows))
    else:
        comparison_table(rows)
    return 0


def compare(runs: tuple[Path, ...]) -> list[dict[str, Any]]:
    """One row a recipe: what it differs in from the other rows, seeds, mean and standard deviation of accuracies.

    Raises:
        RunError: a run cannot be read or is unfinished.
    """
    from ckd.runs.folder import read_config, read_summary

    groups: dict[str, list[dict[str, Any]]] = {}
    flat: dict[str, dict[str, Any]] = {}
    for path in runs:
        summary = read_summary(path)
        settings = _flat(config_to_dict(read_config(path)))
        key = json.dumps({k: v for k, v in settings.items() if k != "seed" and not k.startswith("machine.")})
        groups.setdefault(key, []).append(summary)
        flat[key] = settings
    # Where a run computed is no part of its recipe.
    told = [name for name in next(iter(flat.values()), {}) if not name.startswith("machine.")]
    varied = [name for name in told if len({str(row[name]) for row in flat.values()}) > 1]
    rows = []
    for key, summaries in groups.items():
        row: dict[str, Any] = {
            "recipe": {name: flat[key][name] for name in varied if name != "seed"},
            "seeds": [summary["seed"] for summary in summaries],
        }
        for name in ("test_accuracy", "baseline_test_accuracy", "teacher_accuracy"):
            values = [summary[name] for summary in summaries if name in summary]
            if values:
                spread = statistics.stdev(values) if len(values) > 1 else None
                row[name] = {"mean": statistics.mean(values), "spread": spread}
        rows.append(row)
    return rows


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found
