"""Nodes of a float network as float32 operators."""

import numpy as np

from deploy.formats.onnx.functions import reset_suffix
from deploy.formats.onnx.graph import NEXT, Graph
from deploy.formats.onnx.integers import geometry
from deploy.network import Array, Conv, Dense, FloatNeuron, Scale, Shape, SumPool

FLOAT = np.float32


def add_linear(graph: Graph, name: str, node: Dense | Conv | SumPool | Scale, x: str, shape: Shape) -> str:
    """Weighted sums and bias, sums over windows, or a factor; `shape` is that of the result."""
    out = f"{name}.sum"
    match node:
        case Scale():
            graph.add("Mul", name, [x, graph.constant(f"{name}.factor", _float(node.factor))], [out])
        case SumPool():
            # A convolution of ones: counts stay exact, which an average times its area need not.
            ones = np.ones((shape[0], 1, *node.kernel), FLOAT)
            conv = Conv(weight=ones, stride=node.stride, padding=node.padding, groups=shape[0])
            return add_linear(graph, name, conv, x, shape)
        case Dense() | Conv():
            inputs = [x, graph.constant(f"{name}.weight", _float(node.weight))]
            if node.bias is not None:
                inputs.append(graph.constant(f"{name}.bias", _float(node.bias)))
            if isinstance(node, Conv):
                graph.add("Conv", name, inputs, [out], **geometry(node))
            else:
                graph.add("Gemm", name, inputs, [out], transB=1)
    return out


def add_neuron(graph: Graph, name: str, node: FloatNeuron, x: str) -> str:
    """A step of the neurons; gives the spikes as 0 and 1, of a readout the potential."""
    parameters: dict[str, Array] = {"keep": node.keep, "gain": node.gain, "bias": node.bias}
    decays, readout = node.has_current, node.is_readout
    if node.current_keep is not None:
        parameters = {"current_keep": node.current_keep, "current_gain": node.input_gain, **parameters}
    if node.threshold is not None:
        parameters |= {"threshold": node.threshold, "reset": node.reset}
    states = [graph.state(f"{name}.{kind}", node.shape, FLOAT) for kind in (("u", "v") if decays else ("v",))]
    inputs = [x, *states, *(graph.constant(f"{name}.{key}", _float(value)) for key, value in parameters.items())]
    outputs = [f"{name}.u{NEXT}", f"{name}.v{NEXT}"]
    kind = f"{'Cuba' if decays else ''}LI{'' if readout else 'F' + reset_suffix(node)}"
    graph.add(f"ckd.{kind}", name, inputs, outputs if readout else [f"{name}.spikes", *outputs])
    if not readout:
        graph.output(f"{name}.spikes", node.shape, FLOAT)
    for output in outputs:
        graph.output(output, node.shape, FLOAT)
    return f"{name}.v{NEXT}" if readout else f"{name}.spikes"


def _float(values: Array) -> Array:
    return np.asarray(values, FLOAT)
