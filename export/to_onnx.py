"""ckd-export --to onnx: the teacher, the float student and the integer student, each as an ONNX graph."""

import warnings
from pathlib import Path

import torch
from torch import nn

from ckd.errors import ConfigError
from ckd.files import write_then_rename
from ckd.models.teacher import build_teacher, load_teacher
from ckd.runs.folder import Run
from deploy.extras import require_onnx
from deploy.formats.nir import write_nir
from deploy.formats.onnx import write_onnx
from export.made import Made

STEM = "student"
ENDING = ".onnx"

TEACHER_OPSET = 17


def write(made: Made, model: Path) -> list[Path]:
    """Write teacher.onnx (where the run has a teacher), the float student and the student on the grid; gives the files.

    The float student lies at <model>_float.onnx; as .nir too, from which a check tells rounding from error.
    """
    files: list[Path] = []
    if (made.run.path / "teacher.safetensors").is_file():
        files.append(model.with_name(f"teacher{ENDING}"))
        write_teacher(made.run, files[-1])
    floating = model.with_name(f"{model.stem}_float{ENDING}")
    write_onnx(made.floating, floating)
    write_nir(made.floating, floating.with_suffix(".nir"))
    made.float_trace.save(floating.with_suffix(".trace"))
    files += [floating, floating.with_suffix(".nir"), floating.with_suffix(".trace")]
    if made.network.on_grid:
        write_onnx(made.network, model)
        files += [model, made.save_trace(model)]
    return files


def write_teacher(run: Run, path: Path) -> None:
    """Write the run's teacher: stills (batch, C, size, size) between 0 and 1 to logits (batch, K), batch free."""
    onnx = require_onnx()
    teacher, channels = read_teacher(run)
    size = run.config.data.size
    with write_then_rename(path) as temporary:
        with warnings.catch_warnings():
            # PyTorch announces that its other exporter, which cannot write every teacher, will be the default.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                teacher,
                (torch.zeros(1, channels, size, size),),
                str(temporary),
                input_names=["stills"],
                output_names=["logits"],
                dynamo=False,
                opset_version=TEACHER_OPSET,
                dynamic_axes={"stills": {0: "batch"}, "logits": {0: "batch"}},
            )
        onnx.checker.check_model(str(temporary), full_check=True)


def read_teacher(run: Run) -> tuple[nn.Module, int]:
    """The run's teacher in eval mode, and the channels of its stills. Raises ConfigError where it cannot be built."""
    name = run.config.teacher.teacher
    reasons = []
    for channels in (3, 1):  # the run does not keep its stills; the weights fit one of the two
        network = build_teacher(name, channels=channels, classes=len(run.classes), size=run.config.data.size)
        try:
            return load_teacher(run.path / "teacher.safetensors", network), channels
        except ConfigError as error:
            reasons.append(error)
    raise reasons[0]
