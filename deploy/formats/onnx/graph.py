"""A graph under construction: nodes, constants, states, and what each node of the network gives."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from deploy.extras import require_onnx
from deploy.formats.onnx.functions import DOMAIN, OPSET, VERSION, function_texts
from deploy.network import Array, Shape

BATCH = "batch"
"""The name of the first axis of everything: recordings side by side."""

NEXT = ".next"
"""What the output of a state is called after its input."""


class Graph:
    """Collects the nodes of one ONNX graph; values are named "<node of the network>.<what>"."""

    def __init__(self, frame_shape: Shape, frame_type: type) -> None:
        self._onnx = require_onnx()
        self.values: dict[str, str] = {}
        """By node of the network, the value that holds its output of this step."""
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._functions: set[str] = set()
        self._inputs = [self._describe("frame", frame_shape, frame_type)]
        self._outputs: list[Any] = []

    def add(self, operator: str, name: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """A node called `name`; an operator that begins with "ckd." is one of our functions."""
        domain, _, operator = operator.rpartition(".")
        if domain:
            self._functions.add(operator)
        make = self._onnx.helper.make_node
        self._nodes.append(make(operator, list(inputs), list(outputs), name=name, domain=domain, **attributes))

    def cast(self, name: str, value: str, to: type) -> str:
        """`value` as another type."""
        self.add("Cast", name, [value], [name], to=self._type(to))
        return name

    def constant(self, name: str, value: Array) -> str:
        self._constants.append(self._onnx.numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def state(self, name: str, shape: Shape, dtype: type) -> str:
        """An input that holds what the output `name`.next was a step before."""
        self._inputs.append(self._describe(name, shape, dtype))
        return name

    def output(self, name: str, shape: Shape, dtype: type, *, of: str | None = None) -> str:
        """An output of the graph; with `of`, another name for that value."""
        if of is not None:
            self.add("Identity", name, [of], [name])
        self._outputs.append(self._describe(name, shape, dtype))
        return name

    def model(self, name: str, metadata: dict[str, str]) -> Any:
        """The whole as a ModelProto."""
        onnx = self._onnx
        helper = onnx.helper
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._constants)
        imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)]
        functions = [onnx.parser.parse_function(text) for text in function_texts(self._functions)]
        model = helper.make_model(
            graph,
            functions=functions,
            opset_imports=imports,
            ir_version=10,  # the first that goes with opset 21; older runtimes refuse newer ones
            producer_name="ckd",
        )
        helper.set_model_props(model, metadata)
        return model

    def _describe(self, name: str, shape: Shape, dtype: type) -> Any:
        return self._onnx.helper.make_tensor_value_info(name, self._type(dtype), [BATCH, *shape])

    def _type(self, dtype: type) -> int:
        return self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
