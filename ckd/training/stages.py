"""The stages of a run: its teacher, then its students, each from where an interruption left it."""

import contextlib
import json
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import nn

from ckd.config import Config
from ckd.data.material import Material
from ckd.errors import ConfigError
from ckd.files import write_then_rename
from ckd.method.batches import BatchMaker
from ckd.models.build import build_student
from ckd.models.teacher import build_teacher, load_teacher
from ckd.models.weights import read_weights, write_weights
from ckd.runs.curves import ScalarWriter, check_tensorboard
from ckd.training.engine import Hooks, Progress, train_student
from ckd.training.parallel import check_share
from ckd.training.teacher import train_teacher

CHECKPOINT = "checkpoint.pt"


class Reporter(Protocol):
    """Shows progress: one stage at a time."""

    def stage(self, title: str, total: int | None, done: int = 0) -> None: ...
    def advance(self, done: int) -> None: ...


class Stages:
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
        maker = BatchMaker.of(material, config, device=self._fabric.device)
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
