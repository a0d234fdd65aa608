"""`read`: what an ONNX file of ours says of itself. onnxruntime runs the file; no network is built from it."""

from pathlib import Path
from typing import Any

from deploy.errors import ModelError, shown
from deploy.formats.metadata import from_json, from_metadata
from deploy.formats.model_file import ModelFile
from deploy.formats.onnx.graph import NEXT
from deploy.formats.onnx.guard import UINT8, judged

POTENTIAL = f".v{NEXT}"
"""How the output ends that every layer of neurons has."""


def read(path: Path) -> ModelFile:
    """Judge a file and read its metadata.

    Raises:
        ModelError: not ONNX, not valid, or not a student that ckd-export wrote.
        RunnerError: the extra onnx is not installed.
    """
    model = judged(path)
    metadata = _metadata(path, model)
    info = from_metadata(metadata)
    outputs = {value.name for value in model.graph.output}
    layers = tuple(value.name.removesuffix(POTENTIAL) for value in model.graph.output if value.name.endswith(POTENTIAL))
    frame = next((value for value in model.graph.input if value.name == "frame"), None)
    if frame is None or not layers or not {f"{layer}.u{NEXT}" for layer in layers} <= outputs:
        raise ModelError(f"{path}: has no input 'frame' or no layers of neurons; ckd-export --to onnx writes both")
    if metadata.get("output_layer") not in layers:
        raise ModelError(f"{path}: output_layer (={shown(metadata.get('output_layer'))}) is no layer; export it again")
    tensor = frame.type.tensor_type
    return ModelFile(
        path=path,
        runner="onnx",
        input_shape=tuple(axis.dim_value for axis in tensor.shape.dim[1:]),
        layers=layers,
        on_grid=tensor.elem_type == UINT8,
        binning=info.binning,
        classes=info.classes,
    )


def _metadata(path: Path, model: Any) -> dict[str, Any]:
    """The metadata as `to_metadata` made them; all of them are strings in ONNX."""
    values: dict[str, Any] = {entry.key: entry.value for entry in model.metadata_props}
    try:
        # What is no UTF-8 comes as bytes.
        if not all(isinstance(text, str) for entry in values.items() for text in entry):
            raise ValueError("no text")
        return {**values, "ckd_version": from_json(values["ckd_version"])}
    except ValueError as error:
        raise ModelError(f"{path}: its metadata are damaged ({error}); export it again") from error
