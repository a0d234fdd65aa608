"""`read`: what an ONNX file of ours says of itself. onnxruntime runs the file; no network is built from it."""

import json
from pathlib import Path
from typing import Any

from deploy.errors import ModelError
from deploy.extras import require_onnx
from deploy.formats.metadata import from_metadata
from deploy.formats.model_file import ModelFile
from deploy.formats.onnx.graph import NEXT

POTENTIAL = f".v{NEXT}"
"""How the output ends that every layer of neurons has."""


def read(path: Path) -> ModelFile:
    """Check a file with onnx and read its metadata.

    Raises:
        ModelError: not ONNX, not valid, or not a student that ckd-export wrote.
        RunnerError: the extra onnx is not installed.
    """
    onnx = require_onnx()
    try:
        onnx.checker.check_model(str(path), full_check=True)
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # onnx and protobuf raise many kinds
        raise ModelError(f"{path}: not a valid ONNX file ({str(error).strip().splitlines()[0]})") from error
    info = from_metadata(_metadata(path, model))
    layers = tuple(value.name.removesuffix(POTENTIAL) for value in model.graph.output if value.name.endswith(POTENTIAL))
    frame = next((value for value in model.graph.input if value.name == "frame"), None)
    if frame is None or not layers:
        raise ModelError(f"{path}: has no input 'frame' or no layers of neurons; ckd-export --to onnx writes both")
    tensor = frame.type.tensor_type
    return ModelFile(
        path=path,
        runner="onnx",
        input_shape=tuple(axis.dim_value for axis in tensor.shape.dim[1:]),
        layers=layers,
        on_grid=tensor.elem_type == onnx.TensorProto.UINT8,
        binning=info.binning,
        classes=info.classes,
    )


def _metadata(path: Path, model: Any) -> dict[str, Any]:
    """The metadata as `to_metadata` made them; all of them are strings in ONNX."""
    values: dict[str, Any] = {entry.key: entry.value for entry in model.metadata_props}
    if "ckd_version" not in values:
        raise ModelError(
            f"{path}: not a student that ckd-export wrote (no ckd_version in its metadata); a teacher has no time "
            "steps to run, and other tools' graphs name their states in their own ways"
        )
    try:
        return {**values, "ckd_version": json.loads(values["ckd_version"])}
    except ValueError as error:
        raise ModelError(f"{path}: its metadata are damaged ({error}); export it again") from error
