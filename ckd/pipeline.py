"""A run from its configuration to its summary: data, teacher, distilled student, undistilled student."""

import contextlib
import json
import os
import platform
import shutil
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from ckd.batches import BatchMaker, StillPool
from ckd.config import Config
from ckd.curves import ScalarWriter, check_tensorboard, draw_curves
from ckd.datasets import Source, Stills, open_source
from ckd.engine import Hooks, Progress, train_student
from ckd.errors import ConfigError, DatasetError
from ckd.events import Frames
from ckd.files import write_then_rename
from ckd.measure import measure
from ckd.parallel import check_share, launched, process_count
from ckd.runs import build_student, is_run, read_weights, write_config, write_json, write_weights
from ckd.split import Split, make_split, read_split, training_stills, write_split
from ckd.teacher import build_teacher, load_teacher, teacher_accuracy, train_teacher

CHECKPOINT = "checkpoint.pt"


class Reporter(Protocol):
    """Shows progress: one stage at a time."""

    def stage(self, title: str, total: int | None, done: int = 0) -> None: ...
    def advance(self, done: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Material:
    """Everything a run trains and tests on."""

    source: Source
    split: Split
    frames: dict[str, Frames]
    labels: dict[str, Any]
    stills: Stills
    held_out_stills: Stills
    pool: StillPool | None


def prepare(config: Config, split: Split | None = None) -> Material:
    """Read, film and split the data. Raises DatasetError and RecordingError before anything is written."""
    source = open_source(config.data)
    split = split or make_split(source, config.data, seed=config.seed)
    rows = {part: split.rows(part, source) for part in ("train", "validation", "test")}
    everything = source.stills()
    stills = training_stills(everything, source, split)
    tested = np.isin(everything.image_ids, source.image_ids[rows["test"]])
    return Material(
        source=source,
        split=split,
        frames={part: source.frames(rows[part]) for part in rows},
        labels={part: source.labels[rows[part]] for part in rows},
        stills=stills,
        held_out_stills=everything.take(np.flatnonzero(tested)),
        pool=_pool(config, source, stills) if config.method.distill else None,
    )


def _pool(config: Config, source: Source, stills: Stills) -> StillPool:
    films = config.method.static_input == "camera"
    if films:
        rng = np.random.default_rng((config.seed, 5))
        stills = stills.take(np.sort(rng.permutation(len(stills))[: config.data.films]))
    missing = [name for label, name in enumerate(source.classes) if label not in stills.labels]
    if missing:
        way_out = "raise --films" if films else "add images that no validation or test recording films"
        raise DatasetError(f"class {missing[0]!r} has no still to train on; {way_out}")
    return StillPool(stills=stills, films=source.film(stills, seed=config.seed) if films else None)


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
    run = _Stages(config, out, material, fabric, reporter, resume=resume)
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


class _Stages:
    """The stages of a run, each skipped if its weights are there already."""

    def __init__(
        self, config: Config, out: Path, material: Material, fabric: Fabric, reporter: Reporter, *, resume: bool
    ) -> None:
        self._config, self._out, self._material = config, out, material
        self._fabric, self._reporter = fabric, reporter
        self._saved = self._read_checkpoint() if resume else {}
        self.seconds_before = float(self._saved.get("seconds", 0.0))
        self._began = time.monotonic()
        self._last_save = time.monotonic()

    def check(self) -> None:
        """Build and run every network once: what cannot work is refused before anything is written."""
        config, stills = self._config, self._material.stills
        check_share(config)
        check_tensorboard(config)
        size, classes = config.data.size, len(self._material.source.classes)
        student = build_student(config, classes=classes).eval()
        with torch.no_grad():
            student(torch.zeros(config.data.time_steps, 2, 2, size, size))
            if not config.needs_teacher or self._teacher_file.is_file():
                return
            teacher = self._given_teacher() if config.teacher.teacher_file else self._fresh_teacher()
            try:
                logits = teacher.eval()(torch.zeros(2, stills.images.shape[1], size, size))
            except RuntimeError as error:
                reason = str(error).splitlines()[0]
                raise ConfigError(
                    f"--teacher {config.teacher.teacher}: cannot see stills of {size} x {size} pixels ({reason}); "
                    "choose another, or a larger --size"
                ) from None
        if not isinstance(logits, torch.Tensor) or logits.shape != (2, classes):
            raise ConfigError(f"--teacher {config.teacher.teacher}: does not give a logit a class; choose another")

    @property
    def _teacher_file(self) -> Path:
        return self._out / "teacher.safetensors"

    def _fresh_teacher(self) -> nn.Module:
        """The teacher with random weights."""
        torch.manual_seed(self._config.seed)
        return build_teacher(
            self._config.teacher.teacher,
            channels=self._material.stills.images.shape[1],
            classes=len(self._material.source.classes),
            size=self._config.data.size,
        )

    def _given_teacher(self) -> nn.Module:
        return load_teacher(Path(str(self._config.teacher.teacher_file)), self._fresh_teacher())

    def teacher(self) -> nn.Module:
        """The run's own teacher.safetensors: trained here or copied, if it is not there yet."""
        config = self._config
        if not self._teacher_file.is_file() and self._fabric.is_global_zero:
            if config.teacher.teacher_file:
                network = self._given_teacher()
            else:
                network = self._fresh_teacher()
                self._reporter.stage("teacher", config.teacher.teacher_iterations)
                done = iter(range(1, config.teacher.teacher_iterations + 1))
                device, stills = self._fabric.device, self._material.stills
                train_teacher(network, stills, config, device, lambda: self._reporter.advance(next(done)))
            write_weights(self._teacher_file, network.state_dict())
        self._fabric.barrier()
        # Always as it would come back from its file: training left it channels-last, where its sums round otherwise,
        # and a resumed run must see the same logits to the last bit.
        return load_teacher(self._teacher_file, self._fresh_teacher()).to(self._fabric.device)

    def student(self, name: str, config: Config, teacher: nn.Module | None) -> Any:
        material = self._material
        torch.manual_seed(config.seed)
        student = build_student(config, classes=len(material.source.classes))
        file = self._out / f"{name}.safetensors"
        if file.is_file():
            weights = read_weights(file)
            # In the precision that it was trained in: float64 under --precision 64-true.
            student.to(self._fabric.device, weights["nodes.classifier.weight"].dtype).load_state_dict(weights)
            return student.eval()
        progress = Progress()
        if self._saved.get("stage") == name:
            progress = Progress(**self._saved["progress"])
        title = "distilled student" if config.method.distill else "undistilled student"
        self._reporter.stage(title, config.training.iterations, progress.step)
        maker = BatchMaker(
            config,
            frames=material.frames["train"],
            labels=material.labels["train"],
            pool=material.pool if config.method.distill else None,
            classes=len(material.source.classes),
            device=self._fabric.device,
        )
        with self._metrics(name, progress.step) as log:
            hooks = Hooks(
                advance=self._reporter.advance,
                log=log,
                save=lambda state: self._write_checkpoint(name, state),
                due=lambda: time.monotonic() - self._last_save > config.machine.checkpoint_seconds,
            )
            train_student(
                self._fabric,
                student,
                config,
                maker=maker,
                teacher=teacher if config.method.distill else None,
                validation=(material.frames["validation"], material.labels["validation"]),
                progress=progress,
                hooks=hooks,
            )
        if self._fabric.is_global_zero:
            write_weights(file, student.state_dict())
        return student

    @contextlib.contextmanager
    def _metrics(self, stage: str, step: int) -> Any:
        """metrics.jsonl, without what an interrupted run wrote after its last checkpoint."""
        if not self._fabric.is_global_zero:
            yield lambda record: None
            return
        path = self._out / "metrics.jsonl"
        kept = []
        if path.is_file():
            for line in path.read_text().splitlines():
                with contextlib.suppress(ValueError):
                    record = json.loads(line)
                    if record["stage"] != stage or record["step"] < step:
                        kept.append(line + "\n")
        with write_then_rename(path) as temporary:
            temporary.write_text("".join(kept))
        with path.open("a", buffering=1) as file, ScalarWriter(self._out, stage, self._config) as scalars:

            def log(record: dict[str, Any]) -> None:
                file.write(json.dumps({"stage": stage, **record}) + "\n")
                scalars.write(record)

            yield log

    def _write_checkpoint(self, stage: str, progress: Progress) -> None:
        self._last_save = time.monotonic()
        if not self._fabric.is_global_zero:
            return
        seconds = self.seconds_before + time.monotonic() - self._began
        with write_then_rename(self._out / CHECKPOINT) as temporary:
            torch.save({"stage": stage, "progress": vars(progress), "seconds": seconds}, temporary)

    def _read_checkpoint(self) -> dict[str, Any]:
        path = self._out / CHECKPOINT
        if not path.is_file():
            return {}
        return torch.load(path, map_location="cpu", weights_only=True)
