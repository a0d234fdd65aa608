"""Nodes of a network on the grid as integer operators: sums in int32 by ConvInteger and MatMulInteger, states in int64.

Spikes and counts travel as uint8. A weight on the grid has nine bits where the operators hold eight, but a layer of
mixed sign has even weights and any other has one sign: with a zero point and a factor of 1 or 2 every layer fits
uint8. (Not int8: onnxruntime's products of uint8 and int8 saturate on processors without VNNI.) Other weights are
split into a high and a low byte.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from deploy.errors import GridError
from deploy.formats.onnx.functions import reset_suffix
from deploy.formats.onnx.graph import NEXT, Graph
from deploy.network import Array, Conv, Dense, GridNeuron, SumPool

SUMS, SPIKES = np.int64, np.uint8
"""Types of weighted sums and states, and of spikes and counts."""
COUNT_MAX = 255


@dataclass(frozen=True)
class Plane:
    """Weights as factor * (byte - zero)."""

    byte: Array
    zero: int
    factor: int


def planes(name: str, weight: Array) -> list[Plane]:
    """Integers as few bytes. Raises GridError beyond 16 bits."""
    low, high = int(weight.min()), int(weight.max())
    if low < -(1 << 15) or high >= 1 << 15:
        raise GridError(f"{name}: weights reach from {low} to {high}; ONNX's integer layers take 16 bits")
    for factor in (1, 2):
        zero = max(0, -low // factor)
        if not np.any(weight % factor) and zero <= COUNT_MAX and high // factor + zero <= COUNT_MAX:
            return [Plane((weight // factor + zero).astype(np.uint8), zero, factor)]
    return [
        Plane(((weight >> 8) + 128).astype(np.uint8), 128, 256),
        Plane((weight & 255).astype(np.uint8), 0, 1),
    ]


def add_synapse(graph: Graph, name: str, node: Dense | Conv, x: str, largest: int) -> str:
    """Weighted sums (int64) of the counts x, which reach up to `largest`. Raises GridError where they are not exact."""
    refuse_large_counts(name, largest)
    reach = prod(node.weight.shape[1:]) * largest * COUNT_MAX
    if reach >= 1 << 31:
        raise GridError(f"{name}: its sums can reach {reach}, beyond the 32 bits of ONNX's integer layers; split it")
    parts = []
    split = planes(name, np.asarray(node.weight, np.int64))
    for plane, end in zip(split, ("",) if len(split) == 1 else (".high", ".low"), strict=True):
        weight = plane.byte if isinstance(node, Conv) else plane.byte.T
        inputs = [x, graph.constant(f"{name}{end}.weight", weight), ""]
        inputs.append(graph.constant(f"{name}{end}.zero_point", np.array(plane.zero, np.uint8)))
        if isinstance(node, Conv):
            graph.add("ConvInteger", name + end, inputs, [f"{name}{end}.sum"], **geometry(node))
        else:
            graph.add("MatMulInteger", name + end, inputs, [f"{name}{end}.sum"])
        long = graph.cast(f"{name}{end}.long", f"{name}{end}.sum", np.int64)
        parts.append(_times(graph, f"{name}{end}", long, plane.factor, node.weight_exp if len(split) == 1 else 0))
    if len(split) == 1:
        return parts[0]
    graph.add("Add", f"{name}.both", parts, [f"{name}.both"])
    return _times(graph, name, f"{name}.both", 1, node.weight_exp)


def add_pool(graph: Graph, name: str, node: SumPool, x: str, largest: int, channels: int) -> str:
    """Sums (uint8) over windows, as a convolution of ones, one group a channel."""
    refuse_large_counts(name, largest * prod(node.kernel))
    ones = graph.constant(f"{name}.weight", np.ones((channels, 1, *node.kernel), np.uint8))
    conv = Conv(weight=np.ones((channels, 1, *node.kernel)), stride=node.stride, padding=node.padding, groups=channels)
    graph.add("ConvInteger", name, [x, ones], [f"{name}.sum"], **geometry(conv))
    return graph.cast(f"{name}.count", f"{name}.sum", SPIKES)


def add_neuron(graph: Graph, name: str, node: GridNeuron, a: str) -> str | None:
    """A step of the neurons; gives the spikes (uint8), None of a readout. Its states become inputs and outputs."""
    immediate, readout = not node.has_current, node.is_readout
    states = [graph.state(f"{name}.{kind}", node.shape, SUMS) for kind in (("v",) if immediate else ("u", "v"))]
    parameters = {} if immediate else {"du": node.du}
    parameters |= {"dv": node.dv} | ({} if node.vth is None else {"vth": node.vth}) | {"bias": node.bias}
    inputs = [a, *states, *(graph.constant(f"{name}.{key}", _long(value)) for key, value in parameters.items())]
    outputs = [f"{name}.u{NEXT}", f"{name}.v{NEXT}"]
    kind = f"Grid{'' if immediate else 'Cuba'}LI{'' if readout else 'F' + reset_suffix(node)}"
    graph.add(f"ckd.{kind}", name, inputs, outputs if readout else [f"{name}.spikes", *outputs])
    if not readout:
        graph.output(f"{name}.spikes", node.shape, SPIKES)
    for output in outputs:
        graph.output(output, node.shape, SUMS)
    return None if readout else f"{name}.spikes"


def geometry(node: Conv) -> dict[str, object]:
    """The attributes of Conv and ConvInteger."""
    return {
        "kernel_shape": node.weight.shape[2:],
        "strides": node.stride,
        "pads": [*node.padding, *node.padding],
        "dilations": node.dilation,
        "group": node.groups,
    }


def refuse_large_counts(name: str, largest: int) -> None:
    """As the integer simulator does. Raises GridError."""
    if largest > COUNT_MAX:
        raise GridError(
            f"{name}: counts can reach {largest} here, a synapse takes up to {COUNT_MAX}; use a smaller max_count in "
            "the binning, or fold pooling before quantizing"
        )


def _times(graph: Graph, name: str, value: str, factor: int, exponent: int) -> str:
    """value * factor * 2^exponent, rounded down; factor is a power of two."""
    exponent += factor.bit_length() - 1
    if exponent == 0:
        return value
    power = graph.constant(f"{name}.{'factor' if exponent > 0 else 'divisor'}", np.array(1 << abs(exponent), np.int64))
    graph.add("Mul" if exponent > 0 else "ckd.ShiftRight", f"{name}.scaled", [value, power], [f"{name}.scaled"])
    return f"{name}.scaled"


def _long(value: Array) -> Array:
    return np.asarray(value, np.int64)
