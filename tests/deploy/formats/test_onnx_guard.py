"""ONNX files of strangers: what `write_onnx` does not write is refused in one line, before onnxruntime sees it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.errors import ModelError
from deploy.formats.files import load, save
from deploy.network import Network

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

helper: Any = onnx.helper


def bomb(model: Any) -> None:
    """Three bytes that become a terabyte."""
    model.graph.initializer.append(helper.make_tensor("size", 7, [2], [1 << 20, 1 << 20]))
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["size"], ["bomb"]))


def beside(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = 1
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def missing(model: Any) -> None:
    model.graph.initializer[0].raw_data = b""


def huge(model: Any) -> None:
    model.graph.initializer[0].dims[:] = [1 << 40]


def symbolic(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "N"


def endless(model: Any) -> None:
    model.graph.input[1].type.tensor_type.shape.dim[1].dim_value = 1 << 40


def other_state(model: Any) -> None:
    """A state that comes back with another type would stop the second step."""
    model.graph.input[1].type.tensor_type.elem_type = 1


def nested(model: Any) -> None:
    node = model.graph.node[0]
    for _ in range(60):
        attribute = node.attribute.add(name="body", type=5)
        node = attribute.g.node.add(op_type="If")


def itself(model: Any) -> None:
    function = model.functions[0]
    function.node.add(op_type=function.name, domain="ckd", input=list(function.input), output=list(function.output))


def operator(model: Any) -> None:
    model.graph.node[0].op_type = "Loop"


def spread(model: Any) -> None:
    """Two constants whose sum is a thousand million numbers, on the way to nothing."""
    for name, shape in (("row", [1, 1, 1 << 15]), ("column", [1, 1 << 15, 1])):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name))
    model.graph.node.append(helper.make_node("Add", ["row", "column"], ["spread"]))


def no_output_layer(model: Any) -> None:
    (entry,) = (entry for entry in model.metadata_props if entry.key == "output_layer")
    entry.value = "nowhere"


def deep_version(model: Any) -> None:
    (entry,) = (entry for entry in model.metadata_props if entry.key == "ckd_version")
    entry.value = "[" * 100_000


WRONG: dict[Callable[[Any], None], str] = {
    bomb: "operator '.ConstantOfShape'",
    beside: "lies in another file",
    missing: "is not in the file",
    huge: "is not in the file",
    symbolic: "of shape",
    endless: "not a valid ONNX file",
    other_state: "not a valid ONNX file",
    nested: "not a valid ONNX file",
    itself: "a function",
    operator: "operator '.Loop'",
    spread: "of shape",
    no_output_layer: "output_layer",
    deep_version: "metadata",
}


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change.__name__)
def test_what_is_not_written_here_is_refused(
    small_network: Network, tmp_path: Path, change: Callable[[Any], None]
) -> None:
    path = tmp_path / "student.onnx"
    save(small_network, path)
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError) as raised:
        load(path)
    message = str(raised.value)
    assert "student.onnx" in message and WRONG[change] in message and message.isprintable()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x3a" + b"\xff" * 20, b"\x0a\x00" * 3_000_000, b"\x3a\x80\x80\x80\x01" + b"\x0a\x00" * (1 << 20)],
    ids=["nothing", "no end", "very many", "very many nodes"],
)
def test_what_would_fill_the_memory_is_no_model(tmp_path: Path, content: bytes) -> None:
    """A node of two bytes takes a hundred of memory."""
    path = tmp_path / "student.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"student\.onnx: not a"):
        load(path)


def test_metadata_that_are_no_text_are_one_line(small_network: Network, tmp_path: Path) -> None:
    path = tmp_path / "student.onnx"
    save(small_network, path)
    path.write_bytes(path.read_bytes().replace(b"readout", b"readou\xe7"))
    frames = tmp_path / "frames.npy"
    np.save(frames, np.ones((1, 2, 2, 10, 10), np.uint8))
    command = [sys.executable, "-m", "deploy.cli", "run", str(path), "--on", "onnx", "--frames", str(frames)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr


def test_a_version_that_is_no_text_is_damage(small_network: Network, tmp_path: Path) -> None:
    path = tmp_path / "student.onnx"
    save(small_network, path)
    content = bytearray(path.read_bytes())
    content[content.index(b'"', content.index(b"ckd_version")) + 1] = 0xFF
    path.write_bytes(content)
    with pytest.raises(ModelError, match="metadata are damaged"):
        load(path)
