"""A network as a table of text: for a person who asks what it is."""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from deploy.network.neurons import FloatNeuron, GridNeuron, Neuron
from deploy.network.nodes import Conv, Dense, Node
from deploy.network.types import Array, Edge, Shape


def table_of(
    order: Sequence[str], nodes: Mapping[str, Node], shapes: Mapping[str, Shape], edges: Sequence[Edge]
) -> str:
    """What `Network.summary` gives."""
    rows: list[tuple[str, ...]] = [
        ("node", "kind", "output", "neurons", "synapses", "parameters", "decays", "threshold", "from")
    ]
    for name in order:
        node = nodes[name]
        sources = [source for source, target in edges if target == name]
        numbers = (
            prod(node.shape) if isinstance(node, Neuron) else 0,
            _synapses(node, shapes[sources[0]], shapes[name]) if sources else 0,
            sum(value.size for value in vars(node).values() if isinstance(value, np.ndarray)),
        )
        shape = " x ".join(map(str, shapes[name]))
        counted = (f"{number:,}" if number else "-" for number in numbers)
        rows.append((name, type(node).__name__, shape, *counted, *_neuron(node), ", ".join(sources) or "-"))
    return "\n".join(_aligned(rows))


def _synapses(node: Node, before: Shape, after: Shape) -> int:
    """Pairs of an input and an output that a weight connects; a window's part on the padding connects nothing."""
    match node:
        case Dense():
            return node.weight.size
        case Conv():
            windows = zip(
                before[1:], after[1:], node.weight.shape[2:], node.stride, node.padding, node.dilation, strict=True
            )
            return prod(node.weight.shape[:2]) * prod(_taps(*window) for window in windows)
        case _:
            return 0


def _taps(inputs: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Along one side, pairs of an output and a tap of its window that lies on an input."""
    at = np.arange(outputs)[:, None] * stride - padding + np.arange(kernel) * dilation
    return int(np.count_nonzero((at >= 0) & (at < inputs)))


def _neuron(node: Node) -> tuple[str, str]:
    """Decays and threshold in words: integers of the grid, or what a step keeps."""
    match node:
        case GridNeuron():
            decays = f"dv {_range(node.dv)}" + (f", du {_range(node.du)}" if node.has_current else "")
            threshold = node.vth
        case FloatNeuron():
            decays = f"keep {_range(node.keep)}"
            decays += "" if node.current_keep is None else f", current_keep {_range(node.current_keep)}"
            threshold = node.threshold
        case _:
            return "-", "-"
    return decays, "none" if threshold is None else _range(threshold)


def _range(values: Array) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
