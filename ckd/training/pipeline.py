"""A run from its configuration to its summary: data, teacher, distilled student, undistilled student."""

import os
import platform
import shutil
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ckd.config import Config
from ckd.data.material import prepare
from ckd.data.split import read_split, write_split
from ckd.models.distributed import process_count
from ckd.runs.curves import draw_curves
from ckd.runs.folder import is_run, write_config, write_json
from ckd.training.measure import measure
from ckd.training.parallel import launched
from ckd.training.stages import CHECKPOINT, Reporter, Stages
from ckd.training.teacher import teacher_accuracy


def carry_out(config: Config, out: Path, reporter: Reporter, *, resume: bool) -> dict[str, Any]:
    """Train everything that is not trained yet, write the run folder, return the summary."""
    began = time.monotonic()
    fabric = launched(config.machine)
    # Each process chose a folder for itself, and only the first looked whether its place is free.
    out = fabric.broadcast(out)
    reporter.stage("reading and filming", None)
    split_file = out / "split.json"
    material = prepare(config, read_split(split_file) if resume and split_file.is_file() else None)
    if config.machine.deterministic:
        # cuBLAS asks for this variable before it promises the same result twice.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    run = Stages(config, out, material, fabric, reporter, resume=resume)
    run.check()
    if fabric.is_global_zero and not resume:
        if is_run(out):
            # Asked for with --overwrite; weights left in it would pass for this run's.
            shutil.rmtree(out)
        out.mkdir(parents=True, exist_ok=True)
        write_config(out, config)
        write_split(split_file, material.split)
    fabric.barrier()
    spent = run.seconds_before
    results: dict[str, Any] = {}
    teacher = run.teacher() if config.needs_teacher else None
    if teacher is not None and len(material.held_out_stills):
        results["teacher_accuracy"] = teacher_accuracy(
            teacher, material.held_out_stills, config.data.size, fabric.device
        )
    for name, recipe in _students(config).items():
        student = run.student(name, recipe, teacher)
        tested = measure(student, material.frames["test"], material.labels["test"])
        prefix = "baseline_" if name == "baseline" else ""
        results[f"{prefix}test_accuracy"] = tested.accuracy
        results[f"{prefix}accuracy_per_step"] = tested.accuracy_per_step
        results[f"{prefix}spike_rate"] = tested.rates
        results[f"{prefix}synaptic_operations"] = round(tested.synaptic_operations)
    summary = {
        **results,
        "seconds": round(spent + time.monotonic() - began, 1),
        "seed": config.seed,
        "processes": process_count(),
        "preset": config.preset,
        "distilled": config.method.distill,
        "labels_per_class": config.data.labels_per_class,
        "recordings": {part: len(labels) for part, labels in material.labels.items()},
        "stills": len(material.stills) if material.pool is None else len(material.pool.stills),
        "classes": list(material.source.classes),
        "versions": {"python": platform.python_version(),
                     **{name: version(name) for name in ("ckd", "torch", "snntorch", "numpy")}},
    }  # fmt: skip
    if fabric.is_global_zero:
        draw_curves(out)
        write_json(out / "summary.json", summary)
        (out / CHECKPOINT).unlink(missing_ok=True)
    return summary


def _students(config: Config) -> dict[str, Config]:
    """The students of a run by the name of their file."""
    students = {"student": config}
    if config.method.distill and config.method.baseline:
        students["baseline"] = replace(config, method=replace(config.method, distill=False))
    return students
