"""The networks of a run, each trained from where an interruption left it, or read where it is trained already."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from ckd.config import Config
from ckd.data.material import Material
from ckd.errors import ConfigError
from ckd.method.batches import BatchMaker
from ckd.method.contrastive import draw_views
from ckd.models.build import build_student
from ckd.models.own import OwnStudent
from ckd.models.spiking import SpikingStudent
from ckd.models.student import Student
from ckd.models.teacher import build_teacher, load_teacher
from ckd.models.trial import check_for_training, run_once
from ckd.models.weights import read_weights, write_weights
from ckd.runs.metrics import metrics_log
from ckd.runs.scalars import scalar_log
from ckd.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from ckd.training.contrastive import pretrain
from ckd.training.engine import Hooks, Progress, train_student
from ckd.training.reporter import Reporter
from ckd.training.teacher import train_teacher


class RunNetworks:
    """The teacher and the students of one run, in its folder.

    Args:
        config: the run's configuration.
        out: its folder.
        material: what it trains and tests on.
        fabric: from `launch_fabric`.
        reporter: is told how far training has come.
        resume: go on from the folder's checkpoint, if there is one.
    """

    def __init__(
        self, config: Config, out: Path, material: Material, fabric: Fabric, reporter: Reporter, *, resume: bool
    ) -> None:
        self._config, self._out, self._material = config, out, material
        self._fabric, self._reporter = fabric, reporter
        self._interrupted = read_checkpoint(out) if resume else Checkpoint()
        self._began = self._last_save = time.monotonic()

    @property
    def seconds_before(self) -> float:
        """How long the run had taken when it was interrupted."""
        return self._interrupted.seconds

    def check(self) -> None:
        """Build and run every network once: what cannot work is refused before anything is written.

        Raises:
            ConfigError, DatasetError: what cannot work. RunError: a given teacher cannot be read.
        """
        config = self._config
        size, student = config.data.size, self._fresh_student()
        with torch.no_grad():
            student.eval()(torch.zeros(config.data.time_steps, 2, 2, size, size))
            if config.needs_teacher and not self._teacher_file.is_file():
                self._check_teacher()
        if self._material.unlabeled is not None:
            draw_views(self._material.unlabeled, config, 0, device=self._fabric.device)
        if isinstance(student, OwnStudent):
            check_for_training(student, config, classes=self._classes)
            precision = torch.float64 if config.machine.precision == "64-true" else torch.float32
            student.to(self._fabric.device, precision)
            with self._fabric.autocast():
                run_once(student.train(), config, classes=self._classes)
            run_once(student.eval(), config, classes=self._classes)

    def _check_teacher(self) -> None:
        name, size = self._config.teacher.teacher, self._config.data.size
        classes, channels = self._classes, self._material.stills.images.shape[1]
        teacher = self._given_teacher() if self._config.teacher.teacher_file else self._fresh_teacher()
        try:
            logits = teacher.eval()(torch.zeros(2, channels, size, size))
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(
                f"--teacher {name}: cannot see stills of {size} x {size} pixels ({reason}); "
                "choose another, or a larger --size"
            ) from None
        if not isinstance(logits, torch.Tensor) or logits.shape != (2, classes):
            raise ConfigError(f"--teacher {name}: does not give a logit a class; choose another")

    @property
    def _teacher_file(self) -> Path:
        return self._out / "teacher.safetensors"

    def _fresh_teacher(self) -> nn.Module:
        """The teacher with random weights."""
        torch.manual_seed(self._config.seed)
        return build_teacher(
            self._config.teacher.teacher,
            channels=self._material.stills.images.shape[1],
            classes=self._classes,
            size=self._config.data.size,
        )

    def _given_teacher(self) -> nn.Module:
        return load_teacher(Path(str(self._config.teacher.teacher_file)), self._fresh_teacher())

    @property
    def _classes(self) -> int:
        return len(self._material.source.classes)

    def _fresh_student(self) -> SpikingStudent:
        """A student with random weights."""
        torch.manual_seed(self._config.seed)
        return build_student(self._config, classes=self._classes)

    def teacher(self) -> nn.Module:
        """The run's own teacher.safetensors, on the device: trained here, or copied from a given file."""
        if not self._teacher_file.is_file() and self._fabric.is_global_zero:
            network = self._given_teacher() if self._config.teacher.teacher_file else self._train_teacher()
            write_weights(self._teacher_file, network.state_dict())
        self._fabric.barrier()
        # Always as it would come back from its file: training left it channels-last, where its sums round otherwise,
        # and a resumed run must see the same logits to the last bit.
        return load_teacher(self._teacher_file, self._fresh_teacher()).to(self._fabric.device)

    def _train_teacher(self) -> nn.Module:
        config, progress = self._config, self._progress("teacher")
        self._reporter.stage("teacher", config.teacher.teacher_iterations, progress.iteration)
        with self._hooks("teacher", progress.iteration) as hooks:
            return train_teacher(
                self._fresh_teacher(),
                self._material.stills,
                config.teacher,
                config.augment,
                size=config.data.size,
                seed=config.seed,
                device=self._fabric.device,
                progress=progress,
                hooks=hooks,
            )

    def _progress(self, stage: str) -> Progress:
        """Where the training of a stage begins."""
        return self._interrupted.progress if self._interrupted.stage == stage else Progress()

    def student(self, name: str, recipe: Config, teacher: nn.Module | None) -> SpikingStudent:
        """The student of NAME.safetensors, in eval mode: trained here by `recipe`, if the file is not there yet."""
        file = self._out / f"{name}.safetensors"
        pretrained = self._pretrained() if recipe.method.contrastive and not file.is_file() else None
        student = self._fresh_student()
        if file.is_file():
            weights = read_weights(file)
            # In the precision that it was trained in: float64 under --precision 64-true.
            precision = next(value.dtype for value in weights.values() if value.is_floating_point())
            student.to(self._fabric.device, precision).network.load_state_dict(weights)
            return student.eval()
        if pretrained is not None:
            student.load_state_dict(pretrained)
        progress = self._progress(name)
        title = "distilled student" if recipe.method.distill else "undistilled student"
        self._reporter.stage(title, recipe.training.iterations, progress.iteration)
        with self._hooks(name, progress.iteration) as hooks:
            train_student(
                self._fabric,
                student,
                recipe,
                maker=BatchMaker.of(self._material, recipe, device=self._fabric.device),
                teacher=teacher if recipe.method.distill else None,
                validation=(self._material.frames["validation"], self._material.labels["validation"]),
                progress=progress,
                hooks=hooks,
            )
        if self._fabric.is_global_zero:
            write_weights(file, student.network.state_dict())
        return student

    def _pretrained(self) -> dict[str, Any]:
        """The weights that every student of the run begins with: contrastive.safetensors, trained here if need be."""
        file = self._out / "contrastive.safetensors"
        recordings, progress = self._material.unlabeled, self._progress("contrastive")
        if not file.is_file():
            student = self._fresh_student()
            assert isinstance(student, Student) and recordings is not None
            self._reporter.stage("student without labels", self._config.method.contrastive, progress.iteration)
            with self._hooks("contrastive", progress.iteration) as hooks:
                pretrain(self._fabric, student, self._config, recordings=recordings, progress=progress, hooks=hooks)
            if self._fabric.is_global_zero:
                write_weights(file, student.state_dict())
        self._fabric.barrier()
        return read_weights(file)

    @contextlib.contextmanager
    def _hooks(self, stage: str, start: int) -> Iterator[Hooks]:
        """What a stage's training, from iteration `start` on, tells this run. Only the first process writes."""
        writes, machine = self._fabric.is_global_zero, self._config.machine

        def save(progress: Progress) -> None:
            self._last_save = time.monotonic()
            if writes:
                seconds = self.seconds_before + time.monotonic() - self._began
                write_checkpoint(self._out, Checkpoint(stage=stage, progress=progress, seconds=seconds))

        def log(record: dict[str, Any]) -> None:
            self._reporter.figures(record)
            for write in logs:
                write(record)

        with contextlib.ExitStack() as stack:
            stop = stack.enter_context(self._reporter.deferring())
            logs = []
            if writes:
                logs.append(stack.enter_context(metrics_log(self._out, stage, start=start)))
            if writes and machine.tensorboard:
                logs.append(stack.enter_context(scalar_log(self._out, stage)))
            yield Hooks(
                advance=self._reporter.advance,
                log=log,
                save=save,
                due=lambda: time.monotonic() - self._last_save > machine.checkpoint_seconds,
                stop=stop,
            )
