"""The shape of every node's output, inferred by our own rules: nir 1.0.8 is wrong for non-square kernels and groups."""

from math import prod

from deploy.errors import ModelError
from deploy.network.neurons import Neuron
from deploy.network.nodes import Conv, Dense, Flatten, Node, SumPool
from deploy.network.types import Shape


def output_shape(name: str, node: Node, shape: Shape) -> Shape:
    """What `node` makes of an input of `shape`. Raises ModelError where it does not fit."""
    match node:
        case Dense():
            if len(shape) != 1 or shape[0] != node.weight.shape[1]:
                raise ModelError(
                    f"{name}: weight {node.weight.shape} takes ({node.weight.shape[1]},), its input is {shape}"
                    + ("; put a Flatten before it" if prod(shape) == node.weight.shape[1] else "")
                )
            return (node.weight.shape[0],)
        case Conv():
            expected = node.weight.shape[1] * node.groups
            if len(shape) != 3 or shape[0] != expected:
                raise ModelError(f"{name}: weight {node.weight.shape} takes ({expected}, H, W), its input is {shape}")
            kernel = node.weight.shape[2:]
            spans = [d * (k - 1) + 1 for k, d in zip(kernel, node.dilation, strict=True)]
            return (node.weight.shape[0], *_windows(name, shape[1:], spans, node.stride, node.padding))
        case SumPool():
            if len(shape) != 3:
                raise ModelError(f"{name}: pooling takes (C, H, W), its input is {shape}")
            return (shape[0], *_windows(name, shape[1:], list(node.kernel), node.stride, node.padding))
        case Flatten():
            return (prod(shape),)
        case Neuron():
            if shape != node.shape:
                raise ModelError(f"{name}: has neurons of shape {node.shape}, its input is {shape}")
            return shape
        case _:
            return shape


def _windows(name: str, size: Shape, spans: list[int], stride: Shape, padding: Shape) -> Shape:
    out = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, spans, stride, padding, strict=True))
    if min(out) < 1:
        raise ModelError(f"{name}: a window of {tuple(spans)} does not fit an input of {size} with padding {padding}")
    return out
