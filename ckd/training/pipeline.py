"""A run from its configuration to its summary: data, teacher, distilled student, undistilled student."""

import platform
import time
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from ckd.config import Config
from ckd.data.fitting import fitted
from ckd.data.material import Material, prepare
from ckd.errors import RunError
from ckd.files import DISTRIBUTION, finish_writes, own_version
from ckd.models.distributed import process_count
from ckd.runs.curves import draw_curves
from ckd.runs.folder import (
    SPLIT,
    SUMMARY,
    claim_folder,
    create_run,
    free_folder,
    is_run,
    read_split,
    read_summary,
    refuse_taken,
    trusted_config,
    weight_digests,
    write_config,
    write_summary,
)
from ckd.runs.metrics import write_table
from ckd.training.checkpoint import remove_checkpoint
from ckd.training.determinism import deterministic_algorithms
from ckd.training.feasible import refuse_infeasible
from ckd.training.measure import measure
from ckd.training.memory import keep_freed_memory
from ckd.training.networks import RunNetworks
from ckd.training.parallel import is_first_process, launch_fabric
from ckd.training.reporter import Reporter, Silent
from ckd.training.teacher import teacher_accuracy


def train_run(
    config: Config,
    out: Path | str | None = None,
    *,
    overwrite: bool = False,
    reporter: Reporter | None = None,
    test: bool = True,
) -> dict[str, Any]:
    """Train a teacher, a distilled student and the same student without distillation: python -m ckd.train as a call.

    Args:
        config: the run's configuration.
        out: the run folder; None: runs/PRESET-seedSEED, with a number behind it where that exists.
        overwrite: replace a run folder that exists.
        reporter: is told how far the run has come; None: nobody is.
        test: whether the test recordings are measured. A search leaves them alone: its summaries say nothing of them.

    Returns:
        the summary, which is also in the folder's summary.json: accuracies, spike rates, seconds, versions.

    Raises:
        ConfigError, DatasetError, RecordingError: what was asked for cannot be trained; nothing was written.
        RunError: the folder is taken.
    """
    out = free_folder(config.preset, config.seed) if out is None else Path(out)
    # Only the first of several processes writes, so only it looks whether the place is free.
    if not is_first_process():
        return _carry_out(_with_whole_paths(config), out, reporter or Silent(), resume=False, test=test)
    finish_writes(out)  # or what a killed run left would be taken for no run's
    refuse_taken(out, overwrite=overwrite)
    with claim_folder(out):
        refuse_taken(out, overwrite=overwrite)  # another run may have begun, or ended, before it was ours
        return _carry_out(_with_whole_paths(config), out, reporter or Silent(), resume=False, test=test)


def resume_run(out: Path, *, factories: Collection[str] = (), reporter: Reporter | None = None) -> dict[str, Any]:
    """Go on with an interrupted run, as it began; otherwise as `train_run`.

    Args:
        out: the run folder.
        factories: as for `ckd.runs.folder.load_run`.
        reporter: is told how far the run has come; None: nobody is.

    Raises:
        RunError: the folder is no run's, cannot be read, or its run is finished.
        ConfigError: the run names a factory that is not among `factories` or cannot be imported.
    """
    if is_first_process():
        finish_writes(out)
    config = trusted_config(out, factories)
    if (out / SUMMARY).is_file():
        raise RunError(f"--resume {out}: this run is finished")
    with claim_folder(out) if is_first_process() else nullcontext():
        return _carry_out(config, out, reporter or Silent(), resume=True)


def finish_run(
    config: Config, out: Path, *, factories: Collection[str] = (), reporter: Reporter | None = None
) -> dict[str, Any]:
    """The summary of the run in a folder: trained where nothing is there yet, gone on with where it was interrupted.

    Raises:
        ConfigError, DatasetError, RecordingError, RunError: as `train_run` and `resume_run`.
    """
    if not is_run(out):
        return train_run(config, out, reporter=reporter)
    if not (out / SUMMARY).is_file():
        return resume_run(out, factories=factories, reporter=reporter)
    return read_summary(out)


def _carry_out(config: Config, out: Path, reporter: Reporter, *, resume: bool, test: bool = True) -> dict[str, Any]:
    began = time.monotonic()
    keep_freed_memory()
    fabric = launch_fabric(config.machine)
    # Each process may have chosen a folder for itself: that of the first counts.
    out = fabric.broadcast(out)
    refuse_infeasible(config, taught=resume and (out / "teacher.safetensors").is_file())
    reporter.stage("reading and filming", None)
    if not resume:
        data, notes = fitted(config.data)
        config = replace(config, data=data)
        for note in notes:
            reporter.note(note)
    split = read_split(out) if resume and (out / SPLIT).is_file() else None
    material = prepare(config.data, config.method, seed=config.seed, split=split)
    for remark in material.remarks:
        reporter.note(remark)
    networks = RunNetworks(config, out, material, fabric, reporter, resume=resume)
    networks.check()
    if fabric.is_global_zero and not resume:
        create_run(out, config, material.split)
    elif fabric.is_global_zero:
        write_config(out, config)  # the folder may be of an earlier format
    reporter.began(out)
    fabric.barrier()
    with deterministic_algorithms(config.machine.deterministic):
        results = _train_and_test(config, networks, material, fabric, test=test)
    summary = {
        **results,
        "seconds": round(networks.seconds_before + time.monotonic() - began, 1),
        "seed": config.seed,
        "processes": process_count(),
        "preset": config.preset,
        "dataset": config.data.dataset,
        "distilled": config.method.distill,
        "labels_per_class": config.data.labels_per_class,
        "recordings": {part: len(labels) for part, labels in material.labels.items()},
        **({} if material.unlabeled is None else {"unlabeled": len(material.unlabeled)}),
        "stills": len(material.stills) if material.pool is None else len(material.pool.stills),
        "classes": list(material.source.classes),
        "weights": weight_digests(out),
        "versions": {"python": platform.python_version(), DISTRIBUTION: own_version(),
                     **{name: version(name) for name in ("torch", "snntorch", "numpy")}},
    }  # fmt: skip
    if fabric.is_global_zero:
        draw_curves(out)
        write_table(out)
        write_summary(out, summary)
        remove_checkpoint(out)
    return summary


def _with_whole_paths(config: Config) -> Config:
    """A run folder is read from other working directories too."""
    root, file = (path and str(Path(path).resolve()) for path in (config.data.data_root, config.teacher.teacher_file))
    return replace(
        config, data=replace(config.data, data_root=root), teacher=replace(config.teacher, teacher_file=file)
    )


def _train_and_test(
    config: Config, networks: RunNetworks, material: Material, fabric: Fabric, *, test: bool
) -> dict[str, Any]:
    """Accuracies and spike rates of all networks of a run, each trained if it is not yet."""
    results: dict[str, Any] = {}
    teacher = networks.teacher() if config.needs_teacher else None
    if test and teacher is not None and len(material.held_out_stills):
        results["teacher_accuracy"] = teacher_accuracy(
            teacher, material.held_out_stills, config.data.size, fabric.device
        )
    for name, recipe in _students(config).items():
        student = networks.student(name, recipe, teacher)
        if not test:
            continue
        tested = measure(student, material.frames["test"], material.labels["test"])
        prefix = "baseline_" if name == "baseline" else ""
        results[f"{prefix}test_accuracy"] = tested.accuracy
        results[f"{prefix}accuracy_per_step"] = tested.accuracy_per_step
        results[f"{prefix}spike_rate"] = tested.rates
        results |= {f"{prefix}{name}": round(value, 4) for name, value in tested.spent.items()}
    return results


def _students(config: Config) -> dict[str, Config]:
    """The students of a run by the name of their file."""
    students = {"student": config}
    if config.method.distill and config.method.baseline:
        students["baseline"] = replace(config, method=replace(config.method, distill=False))
    return students
