"""Distilled against undistilled with few labelled recordings: the table, mean and spread over seeds.

    python -m benchmarks.few_labels --preset digits --labels 3 10 --seeds 0 1 2
    python -m benchmarks.few_labels --preset nmnist --data-root DIR --labels 3 10 30 --seeds 0 1 2 3 4
    python -m benchmarks.few_labels --preset digits --recipes default "no align:align_weight=0" --labels 3

A recipe is a name from RECIPES, or NAME:KEY=VALUE,KEY=VALUE over the preset. Every result is a JSON line in --results;
what is there already is not run again. Teacher, split, student, augmentation and budget are the same for all recipes
of a seed, except where a recipe says otherwise.
"""

import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro
import yaml

from ckd.config import Config, config_from_dict, config_to_dict, load_preset
from ckd.console import run_command
from ckd.errors import ConfigError
from ckd.memory import keep_freed_memory
from ckd.pipeline import carry_out

PUBLISHED = (
    "static_input=value,replacement=sliding,align_weight=0.5,temporal_weights=true,kd=phased,batch_norm=joint,"
    "event_share=1,heads="
)
RECIPES = {
    "undistilled": "distill=false",
    "default": "",
    "pretrained": "pretrain=0.5,kd=none,event_share=1",
    "published": PUBLISHED + "one",
    "published, two heads": PUBLISHED + "two",
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to run."""

    preset: str = "digits"
    data_root: str | None = None
    labels: tuple[str, ...] = ("3", "10")
    """Labelled recordings a class; "all" for all there are."""
    seeds: tuple[int, ...] = (0, 1, 2)
    recipes: tuple[str, ...] = ("undistilled", "default")
    results: Path = Path("results/few_labels.jsonl")
    threads: int = 1


class Quiet:
    """Shows nothing."""

    def stage(self, title: str, total: int | None, done: int = 0) -> None: ...
    def advance(self, done: int) -> None: ...


def main() -> int:
    return run_command(_main)


def _main() -> int:
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    stored = _stored(options.results)
    for seed in options.seeds:
        for labels in options.labels:
            for recipe in options.recipes:
                config = _configure(options, recipe, labels, seed)
                if _key(recipe, config) in stored:
                    continue
                result = _run(config, options.results.parent / "teachers")
                line = {"recipe": recipe, "labels": labels, **result, "config": asdict(config)}
                stored[_key(recipe, config)] = line
                options.results.parent.mkdir(parents=True, exist_ok=True)
                with options.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(f"{recipe[:70]:<70} {labels:>4} seed {seed}: {result['accuracy']:.4f} "
                      f"val {result['validation']:.3f} rate {result['last_rate']:.3f} {result['seconds']:.0f} s",
                      file=sys.stderr, flush=True)  # fmt: skip
    print(_table(options, stored))
    return 0


def _configure(options: Options, recipe: str, labels: str, seed: int) -> Config:
    config = replace(load_preset(options.preset), seed=seed)
    name, _, changes = recipe.partition(":")
    if not changes and name not in RECIPES:
        raise ConfigError(f"recipe {name!r}: unknown; known are {', '.join(RECIPES)}, or NAME:KEY=VALUE,...")
    changes = changes or RECIPES[name]
    values: dict[str, Any] = {"baseline": False, "labels_per_class": None if labels == "all" else int(labels)}
    if options.data_root is not None:
        values["data_root"] = options.data_root
    values |= {key: yaml.safe_load(value) for key, value in (pair.split("=") for pair in changes.split(",") if pair)}
    return _with(config, values)


def _with(config: Config, values: dict[str, Any]) -> Config:
    """The configuration with values changed, whichever group they are in; all at once, for some need one another."""
    nested = config_to_dict(config)
    for key, value in values.items():
        group = next((group for group in nested.values() if isinstance(group, dict) and key in group), None)
        if group is None:
            raise ConfigError(f"recipe: no configuration value is called {key!r}")
        group[key] = value
    return config_from_dict(nested, source="recipe")


def _run(config: Config, teachers: Path) -> dict[str, Any]:
    began = time.monotonic()
    # The split of a seed is the same for every recipe and number of labels, so one teacher serves them all.
    plan = config.teacher
    shared = teachers / f"{config.preset}-{plan.teacher}-{plan.teacher_iterations}-seed{config.seed}.safetensors"
    if shared.is_file():
        config = replace(config, teacher=replace(plan, teacher=str(shared)))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        summary = carry_out(config, out, Quiet(), resume=False)
        if (out / "teacher.safetensors").is_file() and not shared.is_file():
            shared.parent.mkdir(parents=True, exist_ok=True)
            shared.write_bytes((out / "teacher.safetensors").read_bytes())
        records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {
        "accuracy": summary["test_accuracy"],
        "teacher": summary.get("teacher_accuracy"),
        "validation": max(record.get("validation_accuracy", 0) for record in records),
        "last_rate": min(summary["spike_rate"].values()),
        "seconds": round(time.monotonic() - began, 1),
    }


def _key(recipe: str, config: Config) -> str:
    values = asdict(config)
    values["machine"] = None
    return json.dumps([recipe, values], sort_keys=True)


def _stored(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {json.dumps([r["recipe"], {**r["config"], "machine": None}], sort_keys=True): r for r in lines}


def _table(options: Options, stored: dict[str, Any]) -> str:
    """Markdown: recipes by labels, mean and standard deviation over seeds."""
    head = ["recipe", *(f"{labels} a class" for labels in options.labels)]
    rows = [head, ["---"] * len(head)]
    for recipe in options.recipes:
        row = [recipe.partition(":")[0]]
        for labels in options.labels:
            keys = [_key(recipe, _configure(options, recipe, labels, seed)) for seed in options.seeds]
            found = [stored[key]["accuracy"] for key in keys if key in stored]
            spread = statistics.stdev(found) if len(found) > 1 else 0.0
            row.append(f"{statistics.mean(found):.3f} ± {spread:.3f}")
        rows.append(row)
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([f"{options.preset}, seeds {', '.join(map(str, options.seeds))}", "", *lines])


if __name__ == "__main__":
    sys.exit(main())
