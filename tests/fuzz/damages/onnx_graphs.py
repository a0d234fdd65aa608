"""Damage to what an ONNX file says, written anew by onnx."""

import random
from typing import Any

from tests.fuzz.damages.at_bytes import Change, damage_bytes
from tests.fuzz.damages.hdf5 import TEXTS

DIMENSIONS = (0, -1, 1, 2, 7, 10_000, 1 << 31, 1 << 40, (1 << 63) - 1)
OPERATORS = (
    *(
        "ConstantOfShape",
        "Expand",
        "Tile",
        "Loop",
        "If",
        "Scan",
        "Range",
        "Identity",
        "Add",
        "Concat",
        "Reshape",
        "Relu",
    ),
    *("Resize", "Pad", "Constant", "NonZero", "StringNormalizer", "RandomNormal", "GridLIF", "NoSuchOperator", ""),
)


def _graph(content: bytearray, rng: random.Random) -> str:
    import onnx

    model = onnx.ModelProto()
    try:
        model.ParseFromString(bytes(content))
        how = rng.choice(CHANGES)
        said = how(model, rng)
        content[:] = model.SerializeToString() or b"\0"
    except Exception:  # protobuf and onnx raise many kinds of what was damaged before
        return damage_bytes(content, rng)
    return f"{how.__name__} {said}"


def _constant(model: Any, rng: random.Random) -> str:
    tensor = rng.choice(model.graph.initializer)
    match rng.randrange(6):
        case 0:
            tensor.dims[:] = rng.choices(DIMENSIONS, k=rng.choice((0, 1, 2, 4, 9)))
        case 1:
            tensor.data_type = rng.choice((0, 1, 2, 3, 7, 8, 9, 10, 16, 22, 99))
        case 2:
            tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
        case 3:
            tensor.data_location = 1
            for key, value in (("location", rng.choice(("../../etc/passwd", "/dev/zero", "x"))), ("length", "1" * 12)):
                entry = tensor.external_data.add()
                entry.key, entry.value = key, value
        case 4:
            tensor.float_data.extend([1e30] * rng.choice((1, 50_000)))
        case _:
            tensor.raw_data = rng.randbytes(len(tensor.raw_data))
    return f"{tensor.name} {list(tensor.dims)}"


def _value(model: Any, rng: random.Random) -> str:
    """An input, an output, or the type of a value between."""
    value = rng.choice([*model.graph.input, *model.graph.output])
    tensor = value.type.tensor_type
    match rng.randrange(6):
        case 0 if tensor.shape.dim:
            rng.choice(tensor.shape.dim).dim_param = rng.choice(("N", "batch", ""))
        case 1 if tensor.shape.dim:
            rng.choice(tensor.shape.dim).dim_value = rng.choice(DIMENSIONS)
        case 2:
            tensor.elem_type = rng.choice((0, 1, 2, 7, 8, 10, 99))
        case 3:
            value.name = rng.choice(("", "frame", "x", value.name + ".next", value.name.removesuffix(".next"), "a\nb"))
        case 4:
            value.type.Clear()
            rng.choice((lambda: value.type.sequence_type.elem_type.tensor_type.SetInParent(), lambda: None))()
        case _:
            values = rng.choice((model.graph.input, model.graph.output))
            del values[rng.randrange(len(values))]
    return value.name


def _node(model: Any, rng: random.Random) -> str:
    nodes = rng.choice((model.graph.node, rng.choice(model.functions).node if model.functions else model.graph.node))
    at = rng.randrange(len(nodes))
    node = nodes[at]
    match rng.randrange(7):
        case 0:
            node.op_type = rng.choice(OPERATORS)
            node.domain = rng.choice(("", "ckd", node.domain))
        case 1 if node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(
                ("", "frame", rng.choice(nodes).output[0], "no such")
            )
        case 2:
            del nodes[at]
        case 3:
            nodes.add().CopyFrom(node)
        case 4 if node.attribute:
            attribute = rng.choice(node.attribute)
            attribute.ints[:] = [rng.choice(DIMENSIONS) for _ in attribute.ints]
            attribute.i = rng.choice(DIMENSIONS)
        case 5:
            _nested(node, rng.choice((1, 3, 60, 200)))
        case _:
            attribute = node.attribute.add()
            attribute.name, attribute.type = rng.choice(("value", "axis", "to")), 4
            attribute.t.dims[:] = [1 << 40]
            attribute.t.data_type = 1
    return f"{at} {node.op_type}"


def _nested(node: Any, depth: int) -> None:
    for _ in range(depth):
        attribute = node.attribute.add()
        attribute.name, attribute.type = "body", 5
        node = attribute.g.node.add()
        node.op_type = "If"


def _function(model: Any, rng: random.Random) -> str:
    function = rng.choice(model.functions)
    match rng.randrange(4):
        case 0:
            function.name = rng.choice(("x", "", "Add", function.name))
        case 1:  # calls itself
            node = function.node.add()
            node.op_type, node.domain = function.name, function.domain
            node.input.extend(function.input)
            node.output.extend(function.output)
        case 2:
            model.functions.remove(function)
        case _:
            function.domain = rng.choice(("", "x", "ai.onnx.ml"))
    return function.name


def _metadata(model: Any, rng: random.Random) -> str:
    entry = rng.choice(model.metadata_props)
    match rng.randrange(4):
        case 0:
            model.metadata_props.remove(entry)
        case 1:
            entry.key = rng.choice(("x", "", "output_layer"))
        case _:
            entry.value = rng.choice(TEXTS)
    return entry.key


def _versions(model: Any, rng: random.Random) -> str:
    match rng.randrange(4):
        case 0:
            model.ir_version = rng.choice((0, -1, 3, 99, 1 << 40))
        case 1:
            rng.choice(model.opset_import).version = rng.choice((0, -1, 7, 99, 1 << 40))
        case 2:
            rng.choice(model.opset_import).domain = rng.choice(("", "x", "com.microsoft", "ai.onnx.ml"))
        case _:
            model.training_info.add()
    return str(model.ir_version)


def _more(model: Any, rng: random.Random) -> str:
    """A small file that would become large, or very many of something."""
    import onnx

    graph, helper = model.graph, onnx.helper
    match rng.randrange(4):
        case 0:
            size = helper.make_tensor("size", 7, [2], [rng.choice((10, 1 << 15, 1 << 20))] * 2)
            node = helper.make_node("ConstantOfShape", ["size"], ["bomb"])
            graph.initializer.append(size)
            graph.node.insert(0, node)
        case 1:
            for i in range(rng.choice((10, 3000))):
                graph.node.add().CopyFrom(helper.make_node("Identity", ["frame"], [f"copy{i}"]))
        case 2:
            values = helper.make_tensor("one", 1, [1], [1.0])
            indices = helper.make_tensor("index", 7, [1], [0])
            graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1 << 15, 1 << 15]))
        case _:
            graph.doc_string = "x" * 2_000_000
    return "more"


CHANGES = (_constant, _constant, _value, _value, _node, _node, _node, _function, _metadata, _versions, _more)
ONNX: tuple[Change, ...] = (_graph,)
