"""From a trained student to a float network: batch norm folded into the convolution before it, module by module."""

from typing import Any

import numpy as np
import torch
from torch import nn

from ckd.events import Binning
from ckd.models.neuron import LIF
from ckd.models.student import Student
from deploy.errors import UnsupportedError
from deploy.network import (
    Array,
    Conv,
    Dense,
    Edge,
    Flatten,
    FloatNeuron,
    Input,
    Network,
    Node,
    Output,
    Scale,
    Shape,
    SumPool,
)
from deploy.network.idioms import add_readout, mean_factor, mean_name
from deploy.network.shapes import output_shape


def student_to_network(student: Student, *, binning: Binning, classes: tuple[str, ...]) -> Network:
    """Read a student as a float network of the deploy wing, with the same node names.

    A batch norm becomes part of the convolution before it. Average pooling becomes a sum and a scale. The prediction
    is the argmax of the logits' sum over the steps, so an integrator that never spikes is added after the classifier.

    Args:
        student: in evaluation mode; its weights are copied.
        binning: of the frames that it was trained on; gives the input's shape (2, height, width).
        classes: the names of the logits, in order.

    Raises:
        UnsupportedError: a module that cannot be deployed, by name.
    """
    nodes: dict[str, Node] = {"input": Input(shape=binning.frame_shape)}
    shapes: dict[str, Shape] = {"input": binning.frame_shape}
    edges: list[Edge] = []
    # A batch norm has no node of its own, a pooling has two: which node gives what a module gave.
    node_of = {"input": "input"}
    for name, module in student.nodes.items():
        sources = [node_of[source] for source, target in student.edges if target == name]
        if isinstance(module, nn.BatchNorm2d):
            node_of[name] = sources[0]
            continue
        shape = shapes[sources[0]]
        chain = _convert(name, module, _batch_norm_after(student, name), shape)
        for part, node in chain.items():
            shapes[part] = shape = output_shape(part, node, shape)
        first, *rest = chain
        edges += [(source, first) for source in sources]
        edges += zip(chain, rest, strict=False)
        nodes |= chain
        node_of[name] = rest[-1] if rest else first
    last = node_of[next(source for source, target in student.edges if target == "output")]
    nodes["output"] = Output()
    edges.append((last, "output"))
    return add_readout(Network(nodes=nodes, edges=tuple(edges), binning=binning, classes=classes))


def _convert(name: str, module: nn.Module, norm: nn.BatchNorm2d | None, shape: Shape) -> dict[str, Node]:
    """The nodes that do what one module does, each feeding the next; `shape` is that of its input, without batch."""
    match module:
        case nn.Conv2d():
            weight, bias = _fold(name, module, norm)
            return {
                name: Conv(
                    weight=weight,
                    bias=bias,
                    stride=_pair(module.stride),
                    padding=_pair(module.padding),
                    dilation=_pair(module.dilation),
                    groups=module.groups,
                )
            }
        case nn.Linear():
            bias = None if module.bias is None else _numpy(module.bias)
            return {name: Dense(weight=_numpy(module.weight), bias=bias)}
        case LIF():
            return {name: _lif(module, shape)}
        case nn.AvgPool2d():
            kernel, stride, padding = (_pair(v) for v in (module.kernel_size, module.stride, module.padding))
            pool = SumPool(kernel=kernel, stride=stride, padding=padding)
            return {name: pool, mean_name(name): Scale(factor=np.asarray(mean_factor(pool)))}
        case nn.Flatten():
            return {name: Flatten()}
        case _:
            raise UnsupportedError(
                f"{name}: a {type(module).__name__} cannot be deployed; use Conv2d, BatchNorm2d, LIF, AvgPool2d, "
                "Flatten and Linear"
            )


def _batch_norm_after(student: Student, name: str) -> nn.BatchNorm2d | None:
    """The batch norm that a module feeds. Raises UnsupportedError where it cannot become part of that module."""
    targets = [target for source, target in student.edges if source == name and target != "output"]
    norms = [module for target in targets if isinstance(module := student.nodes[target], nn.BatchNorm2d)]
    if norms and (len(targets) > 1 or not isinstance(student.nodes[name], nn.Conv2d)):
        raise UnsupportedError(f"{name}: its batch norm folds only into a convolution that feeds nothing else")
    return norms[0] if norms else None


def _fold(name: str, conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Array, Array | None]:
    """Weights (out, in / groups, height, width) and biases (out,) of a convolution together with its batch norm.

    gamma / sqrt(var + eps) scales the weights; what is left is a bias. In float64, rounded once.
    """
    if conv.padding_mode != "zeros":
        raise UnsupportedError(f"{name}: padding mode {conv.padding_mode!r} cannot be deployed; use zeros")
    weight = conv.weight.detach().double().cpu()
    bias = torch.zeros(len(weight), dtype=torch.float64) if conv.bias is None else conv.bias.detach().double().cpu()
    if norm is None:
        return _numpy(weight), None if conv.bias is None else _numpy(bias)
    if norm.running_mean is None or norm.running_var is None:
        raise UnsupportedError(f"{name}: its batch norm keeps no running statistics, so there is nothing to fold")
    spread = (norm.running_var.double().cpu() + norm.eps).sqrt()
    gamma = torch.ones_like(spread) if norm.weight is None else norm.weight.detach().double().cpu()
    beta = torch.zeros_like(spread) if norm.bias is None else norm.bias.detach().double().cpu()
    scale = gamma / spread
    return _numpy(weight * scale[:, None, None, None]), _numpy((bias - norm.running_mean.double().cpu()) * scale + beta)


def _lif(module: LIF, shape: Shape) -> FloatNeuron:
    return FloatNeuron(
        shape=shape,
        keep=_numpy(module.beta.clamp(0, 1)),
        gain=np.ones((), np.float32),
        bias=np.zeros((), np.float32),
        threshold=_numpy(module.threshold),
    )


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _numpy(tensor: torch.Tensor) -> Array:
    return tensor.detach().cpu().numpy().astype(np.float32)
