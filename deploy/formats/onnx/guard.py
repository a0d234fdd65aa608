"""What an ONNX file is allowed to be: one that `write_onnx` wrote. Anything else is refused before a library runs it.

The places in a file: Protocol Buffers Encoding (protobuf.dev/programming-guides/encoding); the numbers of the fields:
onnx.proto of onnx 1.16. What the graph may say is what `deploy.formats.onnx` writes, so that no file can ask for other
operators, for files beside it, for constants that it does not hold, or for values of a size that nobody said.
"""

from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any

from deploy.errors import ModelError, shown
from deploy.extras import require_onnx
from deploy.formats.onnx.functions import DOMAIN, OPSET, VERSION, known_functions
from deploy.formats.onnx.graph import BATCH, NEXT

MOST_BYTES = (1 << 31) - 1
"""Of a file; what Protocol Buffers hold."""

MOST_STRUCTURE = 4 << 20
"""Bytes of all but the constants: a message of two bytes takes a hundred in memory."""

MOST_FIELDS = 200_000
MOST_RANK = 8
MOST_VALUES = 1 << 26
"""Numbers of one value of one recording."""

GRAPH, INITIALIZER, RAW_DATA = 7, 5, 9
"""Fields of ModelProto, GraphProto and TensorProto."""

UINT8, FLOAT, INT32, INT64 = 2, 1, 6, 7
"""Types of onnx.TensorProto."""

SIZES = {UINT8: 1, FLOAT: 4, INT32: 4, INT64: 8}
"""Bytes of a number."""

OPERATORS = frozenset(
    (
        *("Add", "Cast", "Concat", "Conv", "ConvInteger", "Flatten", "Gather", "Gemm", "Greater", "Identity"),
        *("MatMulInteger", "Max", "Mul", "Slice", "Unsqueeze", "Where"),
    )
)
ATTRIBUTES = frozenset(("axis", "dilations", "group", "kernel_shape", "pads", "strides", "to", "transB"))


def judged(path: Path) -> Any:
    """The ModelProto of a file of ours.

    Raises:
        ModelError: it is none, or damaged.
        RunnerError: the extra onnx is not installed.
    """
    onnx = require_onnx()
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ModelError(f"{path}: has {size:,} bytes, an ONNX file at most {MOST_BYTES:,}")
    content = path.read_bytes()
    try:
        structure = len(content) - _constant_bytes(content)
        if structure > MOST_STRUCTURE:
            raise ValueError(f"{structure:,} bytes beside its constants, allowed are {MOST_STRUCTURE:,}")
        model = onnx.ModelProto()
        model.ParseFromString(content)
        _require_ours(path, model)
        _judge(model)
        onnx.checker.check_model(model)
        # Strict, and with types: what the checker's full_check would work out once more.
        _judge_values(onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph)
    except ModelError:
        raise
    except Exception as error:  # onnx and protobuf raise many kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(f"{path}: not a valid ONNX file, or no student of ours ({reason}); export it again") from error
    return model


def _constant_bytes(content: bytes) -> int:
    """Bytes of the constants' numbers, which take no more in memory than in the file."""
    graphs = _parts(content, [(0, len(content))], GRAPH)
    return sum(end - start for start, end in _parts(content, _parts(content, graphs, INITIALIZER), RAW_DATA))


def _parts(content: bytes, messages: Sequence[tuple[int, int]], wanted: int) -> list[tuple[int, int]]:
    """Where the fields of one number lie in these messages."""
    found = []
    fields = (field for start, end in messages for field in _fields(content, start, end))
    for count, (number, start, end) in enumerate(fields):
        if count > MOST_FIELDS:
            raise ValueError(f"more than {MOST_FIELDS:,} fields")
        if number == wanted:
            found.append((start, end))
    return found


def _fields(content: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The number of each field of a message, and where its bytes begin and end."""
    while at < end:
        key, at = _varint(content, at, end)
        match key & 7:
            case 0:
                _, stop = _varint(content, at, end)
            case 1:
                stop = at + 8
            case 2:
                size, at = _varint(content, at, end)
                stop = at + size
            case 5:
                stop = at + 4
            case _:
                raise ValueError("no Protocol Buffers message")
        if stop > end:
            raise ValueError("a field that reaches beyond its message")
        yield key >> 3, at, stop
        at = stop


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = content[at]
        value, at = value | (byte & 127) << shift, at + 1
        if byte < 128:
            return value, at
    raise ValueError("a number that does not end")


def _require_ours(path: Path, model: Any) -> None:
    if not any(entry.key == "ckd_version" for entry in model.metadata_props):
        raise ModelError(
            f"{path}: not a student that ckd-export wrote (no ckd_version in its metadata); a teacher has no time "
            "steps to run, and other tools' graphs name their states in their own ways"
        )


def _judge(model: Any) -> None:
    """Raises ValueError at what `deploy.formats.onnx` does not write."""
    graph = model.graph
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets != {"": OPSET, DOMAIN: VERSION} or model.training_info or graph.sparse_initializer or graph.value_info:
        raise ValueError(f"opsets {shown(opsets)} and parts that are not written here")
    keys = [entry.key for entry in model.metadata_props]
    if len(set(keys)) < len(keys):
        raise ValueError("metadata that say something twice")
    known = known_functions()
    for function in model.functions:
        if known.get(function.name) != function.SerializeToString(deterministic=True):
            raise ValueError(f"a function {shown(function.name)} that is not written here")
    functions = {function.name for function in model.functions}
    for node in graph.node:
        if node.op_type not in (functions if node.domain == DOMAIN else OPERATORS) or node.domain not in ("", DOMAIN):
            raise ValueError(f"an operator {shown(f'{node.domain}.{node.op_type}')}")
        for attribute in node.attribute:
            if attribute.name not in ATTRIBUTES or attribute.type not in (attribute.INT, attribute.INTS):
                raise ValueError(f"{node.op_type} with an attribute {shown(attribute.name)}")
    for tensor in graph.initializer:
        _judge_constant(tensor)


def _judge_constant(tensor: Any) -> None:
    if tensor.data_location or tensor.external_data:
        raise ValueError(f"constant {shown(tensor.name)} lies in another file")
    if tensor.data_type not in SIZES or len(tensor.dims) > MOST_RANK or min(tensor.dims, default=1) < 0:
        raise ValueError(f"constant {shown(tensor.name)} of type {tensor.data_type} and shape {shown(tensor.dims[:9])}")
    if prod(tensor.dims) * SIZES[tensor.data_type] != len(tensor.raw_data):
        raise ValueError(f"constant {shown(tensor.name)} of shape {shown(list(tensor.dims))} is not in the file")


def _judge_values(graph: Any) -> None:
    """Every value has a known size, and every state comes back as it goes in."""
    shapes = {value.name: _shape(value) for value in (*graph.input, *graph.output, *graph.value_info)}
    held = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    made = {name for node in graph.node for name in node.output}
    if unknown := sorted(made - shapes.keys()):
        raise ValueError(f"value {shown(unknown[0])} of unknown shape")
    if len(held) != len(graph.input) + len(graph.initializer) or len(shapes) < len(graph.input) + len(graph.output):
        raise ValueError("two values of one name")
    outputs = {value.name: value for value in graph.output}
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type not in (UINT8, FLOAT, INT64):
            raise ValueError(f"value {shown(value.name)} of type {value.type.tensor_type.elem_type}")
    for value in graph.input:
        after = outputs.get(value.name + NEXT)
        if value.name != "frame" and (after is None or after.type != value.type):
            raise ValueError(f"state {shown(value.name)} does not come back as it goes in")
    if "output" not in outputs:
        raise ValueError("no output")


def _shape(value: Any) -> tuple[int, ...]:
    """The shape of a value without its first axis, the recordings."""
    tensor = value.type.tensor_type
    if value.type.WhichOneof("value") != "tensor_type" or len(tensor.shape.dim) > MOST_RANK:
        raise ValueError(f"value {shown(value.name)} is no tensor")
    axes = tensor.shape.dim
    shape = tuple(axis.dim_value for axis in axes[1:])
    if not axes or axes[0].dim_param != BATCH or min(shape, default=1) < 1 or prod(shape) > MOST_VALUES:
        said = [axis.dim_param or axis.dim_value for axis in axes]
        raise ValueError(f"value {shown(value.name)} of shape {shown(said)}; one is ({BATCH}, sizes...)")
    return shape
