"""Choose a recipe by validation recordings alone, write down every trial, and open the test recordings once.

    python -m benchmarks.select --preset digits --out results/select-digits
    python -m benchmarks.select --preset digits --out DIR --candidates default "each:kd_steps=each" --open-test

A candidate is NAME:KEY=VALUE,KEY=VALUE over the preset, or a name from CANDIDATES. Every trial, a candidate with a
seed, is a folder in --out that is trained without looking at the test recordings, and a record of OUT/select.json; what
is there already is not trained again. The choice is the highest accuracy on validation recordings, the mean over the
seeds that all candidates have; of equals the lowest loss. With --open-test the chosen recipe, and `default` beside it,
are measured on the test recordings, and from then on the folder takes no further trials: a choice after the test would
not be one by validation.
"""

import json
import statistics
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro

import ckd
from benchmarks.few_labels import changes_of, configured
from ckd.config import Config, config_to_dict
from ckd.console import run_command
from ckd.errors import ConfigError
from ckd.evaluate import evaluate
from ckd.files import fill, write_then_rename
from ckd.runs.folder import load_run, read_config
from ckd.training.measure import measure

CANDIDATES = {
    "default": "",
    "each": "kd_steps=each",
    "decoupled": "kd_steps=each,ensemble_weight=0.5",
    "error-aware": "kd_steps=error-aware",
    "seal": "kd_steps=error-aware,selective_weight=0.15",
    "time-mix": "replacement=time-mix",
    "first-draw": "replacement=first-draw",
    "i2e": "static_input=i2e",
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to try."""

    preset: str = "digits"
    data_root: str | None = None
    labels: str = "3"
    """Labeled recordings a class; "all" for all there are."""
    seeds: tuple[int, ...] = (0, 1, 2)
    candidates: tuple[str, ...] = tuple(CANDIDATES)
    out: Path = Path("results/select")
    open_test: bool = False
    """The choice is fixed: measure it on the test recordings."""
    threads: int = 1


def main() -> int:
    return run_command(_main)


def _main() -> int:
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(options.threads)
    result = select(options)
    print(_table(result))
    return 0


def select(options: Options) -> dict[str, Any]:
    """Train what is missing, choose, and open the test where that is asked for; gives what select.json holds.

    Raises:
        ConfigError: a candidate that cannot be read, or trials that are new to a folder whose test was opened.
    """
    file = options.out / "select.json"
    stored: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    trials: dict[str, dict[str, Any]] = stored.get("trials", {})
    configs = {
        f"{name}-seed{seed}": (
            name,
            configured(options.preset, changes, labels=options.labels, seed=seed, data_root=options.data_root),
        )
        for name, changes in map(_candidate, options.candidates)
        for seed in options.seeds
    }
    for trial in configs.keys() & trials.keys():
        name, config = configs[trial]
        before = read_config(options.out / trial)
        # Of the data, a run folder holds what was found in the recordings.
        if config_to_dict(replace(before, data=config.data)) != config_to_dict(config):
            raise ConfigError(f"{options.out / trial}: was the trial of another recipe {name}; give another --out")
    new = [trial for trial in configs if trial not in trials]
    if new and "test" in stored:
        raise ConfigError(f"{file}: its test was opened, so it takes no trial {new[0]}; give another --out")
    for trial in new:
        name, config = configs[trial]
        trials[trial] = {"candidate": name, "seed": config.seed, **_tried(config, options.out / trial)}
        _write(file, {"preset": options.preset, "labels": options.labels, "trials": trials})
        print(f"{trial}: {trials[trial]['validation_accuracy']:.3f}", file=sys.stderr, flush=True)
    result = {"preset": options.preset, "labels": options.labels, "trials": trials, "chosen": _chosen(trials)}
    if "test" in stored:
        result["test"] = stored["test"]
    elif options.open_test:
        opened = dict.fromkeys((result["chosen"], "default"))
        result["test"] = {
            trial: evaluate(options.out / trial, events=None)["accuracy"]
            for trial, record in trials.items()
            if record["candidate"] in opened
        }
    _write(file, result)
    return result


def _candidate(text: str) -> tuple[str, dict[str, Any]]:
    name, colon, changes = text.partition(":")
    if not colon and name not in CANDIDATES:
        raise ConfigError(f"candidate {name!r}: unknown; known are {', '.join(CANDIDATES)}, or NAME:KEY=VALUE,...")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ConfigError(f"candidate {name!r}: a name has letters, digits, - and _, for it names a folder")
    return name, changes_of(changes if colon else CANDIDATES[name], text)


def _tried(config: Config, folder: Path) -> dict[str, Any]:
    """Train a trial from the start, and measure it on its validation recordings."""
    summary = ckd.train_run(config, folder, overwrite=True, test=False)
    run = load_run(folder)
    frames, labels, _ = run.recordings("validation")
    measured = measure(run.student, frames, labels)
    return {
        "validation_accuracy": measured.accuracy,
        "validation_accuracy_per_step": measured.accuracy_per_step,
        "validation_loss": measured.loss,
        "recordings": len(labels),
        "spent": measured.spent,
        "seconds": summary["seconds"],
    }


def _comparable(trials: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The trials of the seeds that every candidate has: seeds differ more than recipes."""
    seeds_of: dict[str, set[int]] = {}
    for trial in trials.values():
        seeds_of.setdefault(trial["candidate"], set()).add(trial["seed"])
    common = set.intersection(*seeds_of.values())
    if not common:
        raise ConfigError("the candidates in --out have no seed in common; give all of them and one list of --seeds")
    return {name: trial for name, trial in trials.items() if trial["seed"] in common}


def _chosen(trials: dict[str, dict[str, Any]]) -> str:
    trials = _comparable(trials)
    names = dict.fromkeys(trial["candidate"] for trial in trials.values())

    def score(name: str) -> tuple[float, float]:
        own = [trial for trial in trials.values() if trial["candidate"] == name]
        accuracies = [trial["validation_accuracy"] for trial in own]
        return statistics.mean(accuracies), -statistics.mean(trial["validation_loss"] for trial in own)

    return max(names, key=score)


def _write(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with write_then_rename(file) as temporary:
        fill(temporary, f"{json.dumps(content, indent=2)}\n".encode())


def _table(result: dict[str, Any]) -> str:
    """Markdown: validation accuracy of every candidate after half and after all steps, the mean over its seeds."""
    lines = ["| candidate | half of the steps | all steps | loss | test |", "|---|---|---|---|---|"]
    trials, test = _comparable(result["trials"]), result.get("test", {})
    for name in dict.fromkeys(trial["candidate"] for trial in trials.values()):
        own = {key: trial for key, trial in trials.items() if trial["candidate"] == name}
        steps = [trial["validation_accuracy_per_step"] for trial in own.values()]
        halves = statistics.mean(each[(len(each) + 1) // 2 - 1] for each in steps)
        whole = statistics.mean(trial["validation_accuracy"] for trial in own.values())
        loss = statistics.mean(trial["validation_loss"] for trial in own.values())
        opened = [test[key] for key in own if key in test]
        said = f"{statistics.mean(opened):.3f}" if opened else "not opened"
        mark = " (chosen)" if name == result["chosen"] else ""
        lines.append(f"| {name}{mark} | {halves:.3f} | {whole:.3f} | {loss:.3f} | {said} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
