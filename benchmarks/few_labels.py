"""Distilled against undistilled with few labeled recordings: the table, mean and spread over seeds.

    python -m benchmarks.few_labels --preset digits --labels 3 10 --seeds 0 1 2
    python -m benchmarks.few_labels --preset nmnist --data-root DIR --labels 3 10 30 --seeds 0 1 2 3 4
    python -m benchmarks.few_labels --preset digits --recipes default "no align:align_weight=0" --labels 3

A recipe is a name from RECIPES, or NAME:KEY=VALUE,KEY=VALUE over the preset. Every result is a JSON line in --results;
what is there already is not run again. Teacher, split, student, augmentation and budget are the same for all recipes
of a seed, except where a recipe says otherwise.
"""

import contextlib
import hashlib
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
import tyro
import yaml

import ckd
from ckd.config import Config, config_from_dict, config_to_dict, load_preset
from ckd.console import run_command
from ckd.errors import ConfigError
from ckd.runs.migration import migrated_config

PUBLISHED = (
    "static_input=value,replacement=sliding,align_weight=0.5,temporal_weights=true,kd=phased,kd_weight=1,"
    "batch_norm=joint,event_share=1,heads="
)
RECIPES = {
    "undistilled": "distill=false",
    "default": "",
    "contrastive": "distill=false,contrastive=600",
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
    """Labeled recordings a class; "all" for all there are."""
    seeds: tuple[int, ...] = (0, 1, 2)
    recipes: tuple[str, ...] = ("undistilled", "default")
    results: Path = Path("results/few_labels.jsonl")
    threads: int = 1


def main() -> int:
    return run_command(_main)


def _main() -> int:
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(options.threads)
    stored = _stored(options.results)
    for seed in options.seeds:
        for labels in options.labels:
            for recipe in options.recipes:
                config = _configure(options, recipe, labels, seed)
                key = _key(recipe, asdict(config))
                if key in stored:
                    continue
                result = _run(config, options.results.parent / "teachers")
                line = {"recipe": recipe, "labels": labels, **result, "config": asdict(config)}
                stored[key] = line
                options.results.parent.mkdir(parents=True, exist_ok=True)
                with options.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(f"{recipe[:70]:<70} {labels:>4} seed {seed}: {result['accuracy']:.4f} "
                      f"validation {result['validation']:.3f} lowest rate {result['lowest_rate']:.3f} "
                      f"{result['seconds']:.0f} s",
                      file=sys.stderr, flush=True)  # fmt: skip
    print(_table(options, stored))
    return 0


def _configure(options: Options, recipe: str, labels: str, seed: int) -> Config:
    name, _, changes = recipe.partition(":")
    if not changes and name not in RECIPES:
        raise ConfigError(f"recipe {name!r}: unknown; known are {', '.join(RECIPES)}, or NAME:KEY=VALUE,...")
    changes = changes_of(changes or RECIPES[name], recipe)
    return configured(options.preset, changes, labels=labels, seed=seed, data_root=options.data_root)


def configured(preset: str, changes: dict[str, Any], *, labels: str, seed: int, data_root: str | None) -> Config:
    """A preset without its undistilled run, with so many labels a class (or "all"), and what a recipe changes."""
    values: dict[str, Any] = {"baseline": False}
    values["labels_per_class"] = None if labels == "all" else yaml.safe_load(labels)
    if data_root is not None:
        values["data_root"] = data_root
    return with_values(replace(load_preset(preset), seed=seed), values | changes)


def changes_of(changes: str, recipe: str) -> dict[str, Any]:
    """KEY=VALUE,KEY=VALUE of a recipe as values."""
    values: dict[str, Any] = {}
    for pair in changes.split(",") if changes else ():
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"recipe {recipe!r}: {pair!r} is not KEY=VALUE")
        values[key] = yaml.safe_load(value)
    return values


def with_values(config: Config, values: dict[str, Any]) -> Config:
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
    shared = teachers / f"{_teacher_key(config)}.safetensors"
    if shared.is_file():
        config = replace(config, teacher=replace(config.teacher, teacher_file=str(shared)))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        summary = ckd.train_run(config, out)
        if (out / "teacher.safetensors").is_file() and not shared.is_file():
            shared.parent.mkdir(parents=True, exist_ok=True)
            shared.write_bytes((out / "teacher.safetensors").read_bytes())
        kept = kept_iteration(out)
    return {
        "accuracy": summary["test_accuracy"],
        "teacher": summary.get("teacher_accuracy"),
        "validation": kept["validation_accuracy"],
        "lowest_rate": min(summary["spike_rate"].values()),
        "seconds": round(time.monotonic() - began, 1),
    }


def kept_iteration(run: Path) -> dict[str, Any]:
    """What the metrics of a run say of the iteration whose student it kept."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return min((record for record in records if "validation_loss" in record), key=itemgetter("validation_loss"))


def mean_in_words(accuracies: list[float]) -> str:
    """With the standard deviation, where there are several."""
    spread = f" ± {statistics.stdev(accuracies):.3f}" if len(accuracies) > 1 else ""
    return f"{statistics.mean(accuracies):.3f}{spread}"


def _teacher_key(config: Config) -> str:
    """A hash of all that a teacher comes from. For every number of labels its stills are the same."""
    values = asdict(config)
    values["data"]["labels_per_class"] = None
    parts = [values["seed"], values["data"], values["augment"], values["teacher"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _key(recipe: str, config: dict[str, Any]) -> str:
    return json.dumps([recipe, {**config, "machine": None}], sort_keys=True)


def _stored(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    stored = {}
    for line in path.read_text().splitlines():
        with contextlib.suppress(ValueError):  # an interruption may have cut the last one
            result = json.loads(line)
            config = migrated_config({"format": 1, **result["config"]}, path)
            stored[_key(result["recipe"], config)] = result
    return stored


def _table(options: Options, stored: dict[str, Any]) -> str:
    """Markdown: recipes by labels, mean and standard deviation over seeds."""
    head = ["recipe", *(f"{labels} a class" for labels in options.labels)]
    rows = [head, ["---"] * len(head)]
    for recipe in options.recipes:
        row = [recipe.partition(":")[0]]
        for labels in options.labels:
            keys = [_key(recipe, asdict(_configure(options, recipe, labels, seed))) for seed in options.seeds]
            row.append(mean_in_words([stored[key]["accuracy"] for key in keys if key in stored]))
        rows.append(row)
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([f"{options.preset}, seeds {', '.join(map(str, options.seeds))}", "", *lines])


if __name__ == "__main__":
    sys.exit(main())
