"""The teacher of a run as an ONNX graph."""

import warnings
from io import BytesIO
from pathlib import Path

import torch
from torch import nn

from ckd.errors import ConfigError
from ckd.files import fill, write_then_rename
from ckd.models.teacher import build_teacher, load_teacher
from ckd.runs.folder import Run
from deploy.extras import require_onnx

OPSET = 17


def write_teacher(run: Run, path: Path) -> None:
    """Write the run's teacher: stills (batch, C, size, size) between 0 and 1 to logits (batch, K), batch free.

    Raises:
        RunnerError: onnx is not installed.
        ConfigError: the teacher cannot be built from what the run folder says.
    """
    onnx = require_onnx()
    teacher, channels = read_teacher(run)
    size = run.config.data.size
    content = BytesIO()
    with warnings.catch_warnings():
        # PyTorch announces that its other exporter, which cannot write every teacher, will be the default.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            teacher,
            (torch.zeros(1, channels, size, size),),
            content,  # pyright: ignore[reportArgumentType]
            input_names=["stills"],
            output_names=["logits"],
            dynamo=False,
            opset_version=OPSET,
            dynamic_axes={"stills": {0: "batch"}, "logits": {0: "batch"}},
        )
    with write_then_rename(path) as temporary:
        fill(temporary, content.getbuffer())
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
