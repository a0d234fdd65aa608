"""Few-label distillation on photographs: Caltech 101, of which other photographs are filmed by our camera model.

    python -m benchmarks.photographs                                     20 classes, 5 labels a class, three rows
    python -m benchmarks.photographs --rows all --seeds 0 1 2 3 4        every part of the method ablated
    python -m benchmarks.photographs --scale day                         all classes
    python -m benchmarks.photographs --trial "slower:lr=0.003" "longer:iterations=3600"

The recordings are simulated. Each photograph is filmed once, with saccades, threshold, contrast and noise of its own,
none of them those that the camera model was fitted with; the static branch sees moving edges, never films. No still is
a photograph that is filmed.

A trial trains and measures on recordings of photographs of its own, so settings can be chosen without a look at what
tests; every trial stays in the results. Photographs are read from caltech101_64.tar in $CKD_DATA or ../shared/data.
What is finished is read, what was interrupted goes on.
"""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

from benchmarks.few_labels import RECIPES, changes_of, kept_iteration, mean_in_words, with_values
from benchmarks.photographs_data import SCALES, make_folders
from ckd.config import Config, load_preset
from ckd.console import run_command
from ckd.errors import ConfigError, RunError
from ckd.files import fill, write_then_rename
from ckd.training.pipeline import finish_run

PRESET = Path(__file__).with_suffix(".yaml")
ROWS = {
    "distilled": "",
    "undistilled": RECIPES["undistilled"],
    "pretrained, then fine-tuned": RECIPES["pretrained"],
}
ABLATED = {
    "no teacher: stills by their labels": "kd=none",
    "distillation phased out": "kd=phased",
    "two heads": "heads=two",
    "static branch sees values": "static_input=value",
    "any still as a partner": "pairing=random",
    "as many recordings as stills": "event_share=1",
    "alignment": "align_weight=0.5,event_share=1",
    "sliding replacement": "replacement=sliding",
    "time-step mixing": "replacement=time-mix",
    "loss of the mean logits": "tet=false",
    "joint statistics": "batch_norm=joint",
    "as published": RECIPES["published"],
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to run."""

    scale: Literal["laptop", "day"] = "laptop"
    """20 classes, or all."""
    rows: Literal["three", "all"] = "three"
    """Distilled, undistilled and pretrained; or also the parts of the method, one changed at a time."""
    seeds: tuple[int, ...] = (0,)
    trial: tuple[str, ...] = ()
    """NAME:KEY=VALUE,KEY=VALUE over the preset: try these, on the recordings that are for it, and nothing else."""
    set: tuple[str, ...] = ()
    """KEY=VALUE over every row, to try the command shorter; the results are then kept apart, and say so."""
    tar: Path = Path(os.environ.get("CKD_DATA", "../shared/data")) / "caltech101_64.tar"
    out: Path = Path("results/photographs")
    threads: int = 1


def main() -> int:
    return run_command(_main)


def _main() -> int:
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(options.threads)
    scale = SCALES[options.scale]
    if options.trial and not scale.trials:
        raise ConfigError(f"--scale {options.scale}: has no recordings to choose by; choose with --scale laptop")
    data = options.out / options.scale / "data"
    make_folders(options.tar, scale, data)
    part = "trials" if options.trial else "test"
    rows = _trials(options) if options.trial else ROWS | (ABLATED if options.rows == "all" else {})
    shorter = "".join(f" {change}" for change in options.set)
    kept = options.out / options.scale / f"{part}{shorter.replace('/', '-')}"
    results = [
        _result(name, changes, seed, options, data / part, kept / name / str(seed))
        for seed in options.seeds
        for name, changes in rows.items()
    ]
    found = [result for result in results if result is not None]
    _write(kept / f"{part}.json", options, found)
    print(_table(list(rows), found, f"{options.scale}, {part}{shorter}, simulated recordings"))
    return 0


def _trials(options: Options) -> dict[str, str]:
    named = [trial.partition(":") for trial in options.trial]
    bad = next((trial for trial, (name, _, _) in zip(options.trial, named, strict=True) if not name), None)
    if bad is not None:
        raise ConfigError(f"--trial {bad}: must be NAME:KEY=VALUE,KEY=VALUE")
    return {name: changes for name, _, changes in named}


def _result(name: str, changes: str, seed: int, options: Options, data: Path, out: Path) -> dict[str, Any] | None:
    """A finished run, trained where it is not; None of one that another process is at."""
    config = _configure(name, changes, seed, options, data)
    teacher = out.parent.parent / "distilled" / str(seed) / "teacher.safetensors"
    if teacher.is_file() and config.needs_teacher and config.teacher == load_preset(str(PRESET)).teacher:
        config = replace(config, teacher=replace(config.teacher, teacher_file=str(teacher)))
    try:
        summary = finish_run(config, out)
    except RunError as error:
        print(f"{out}: left out: {error}", file=sys.stderr)
        return None
    found = {
        "row": name,
        "changes": changes,
        "seed": seed,
        "accuracy": summary["test_accuracy"],
        "validation": kept_iteration(out)["validation_accuracy"],
        "teacher": summary.get("teacher_accuracy"),
        **{key: summary[key] for key in ("activity", "synaptic_operations", "seconds", "recordings", "stills")},
    }
    print(f"{name}, seed {seed}: {found['accuracy']:.4f}, {found['seconds']:.0f} s", file=sys.stderr, flush=True)
    return found


def _configure(name: str, changes: str, seed: int, options: Options, data: Path) -> Config:
    preset = load_preset(str(PRESET))
    values: dict[str, Any] = {"baseline": False, "data_root": str(data.resolve())}
    if options.trial:
        values |= {"validation_per_class": 3, "test_per_class": 6}
    elif options.scale == "day":
        values |= {"validation_per_class": 3, "test_per_class": 10}
    values |= changes_of(",".join(options.set), "--set") | changes_of(changes, name)
    return replace(with_values(preset, values), seed=seed)


def _write(path: Path, options: Options, found: list[dict[str, Any]]) -> None:
    """Every result that was ever in this file, these in place of earlier ones of the same row and seed."""
    before = json.loads(path.read_text())["results"] if path.is_file() else []
    new = {(result["row"], result["seed"]): result for result in [*before, *found]}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=PRESET.parent, capture_output=True, text=True).stdout
    content = {
        "simulated": "photographs of Caltech 101, filmed by the camera model",
        "commit": commit.strip() or None,
        "scale": options.scale,
        "set": list(options.set),
        "results": list(new.values()),
    }
    with write_then_rename(path) as temporary:
        fill(temporary, json.dumps(content, indent=1).encode())


def _table(rows: list[str], found: list[dict[str, Any]], title: str) -> str:
    head = ["row", "accuracy", "validation", "synaptic operations", "seconds", "seeds"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        of = [result for result in found if result["row"] == row]
        if of:
            middle = {key: statistics.mean(result[key] for result in of) for key in
                      ("validation", "synaptic_operations", "seconds")}  # fmt: skip
            figures = [
                f"{middle['validation']:.3f}",
                f"{middle['synaptic_operations']:,.0f}",
                f"{middle['seconds']:.0f}",
            ]
            lines.append([row, mean_in_words([result["accuracy"] for result in of]), *figures, str(len(of))])
    return "\n".join([title, "", *("| " + " | ".join(line) + " |" for line in lines)])


if __name__ == "__main__":
    sys.exit(main())
