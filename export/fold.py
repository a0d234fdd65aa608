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
from deploy.network.shapes import output_shape

READOUT = "readout"
"""The neurons that add up the classifier's logits over the steps; the largest at the end is the prediction."""


def student_to_network(student: Student, *, binning: Binning, classes: tuple[str, ...]) -> Network:
    """Read a student as a network of the deploy wing, with the same node names.

    The prediction is the argmax of the logits' sum over the steps, so an integrator that never spikes is added after
    the classifier. Average pooling becomes a sum and a scale.

    Raises:
        UnsupportedError: a module that cannot be deployed, by name.
    """
    nodes: dict[str, Node] = {"input": Input(shape=binning.frame_shape)}
    edges: list[Edge] = []
    shapes: dict[str, Shape] = {"input": binning.frame_shape}
    gives = {"input": "input"}
    """The node that holds a module's output."""
    for name, module in student.nodes.items():
        sources = [source for source, target in student.edges if target == name]
        if isinstance(module, nn.BatchNorm2d):
            gives[name] = gives[sources[0]]
            continue
        made = _nodes_of(name, module, _batch_norm_after(student, name), shapes[gives[sources[0]]])
        edges += [(gives[source], next(iter(made))) for source in sources]
        edges += zip(made, list(made)[1:], strict=False)
        shape = shapes[gives[sources[0]]]
        for part, node in made.items():
            shapes[part] = shape = output_shape(part, node, shape)
        nodes |= made
        gives[name] = list(made)[-1]
    last = gives[next(source for source, target in student.edges if target == "output")]
    nodes |= {READOUT: _integrator(shapes[last]), "output": Output()}
    edges += [(last, READOUT), (READOUT, "output")]
    return Network(nodes=nodes, edges=tuple(edges), binning=binning, classes=classes)


def _nodes_of(name: str, module: nn.Module, norm: nn.BatchNorm2d | None, shape: Shape) -> dict[str, Node]:
    """What one module of the student is in the graph, in order."""
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
            kernel = _pair(module.kernel_size)
            factor = np.array(1 / (kernel[0] * kernel[1]), np.float32)
            pool = SumPool(kernel=kernel, stride=_pair(module.stride), padding=_pair(module.padding))
            return {name: pool, f"{name}_mean": Scale(factor=factor)}
        case nn.Flatten():
            return {name: Flatten()}
        case _:
            raise UnsupportedError(
                f"{name}: a {type(module).__name__} cannot be deployed; use Conv2d, BatchNorm2d, LIF, AvgPool2d, "
                "Flatten and Linear"
            )


def _batch_norm_after(student: Student, name: str) -> nn.BatchNorm2d | None:
    targets = [target for source, target in student.edges if source == name and target != "output"]
    norms = [module for target in targets if isinstance(module := student.nodes[target], nn.BatchNorm2d)]
    if norms and (len(targets) > 1 or not isinstance(student.nodes[name], nn.Conv2d)):
        raise UnsupportedError(f"{name}: its batch norm folds only into a convolution that feeds nothing else")
    return norms[0] if norms else None


def _fold(name: str, conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Array, Array | None]:
    """gamma / sqrt(var + eps) scales the weights; what is left is a bias. In float64, rounded once."""
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


def _integrator(shape: Shape) -> FloatNeuron:
    one = np.ones((), np.float32)
    return FloatNeuron(shape=shape, keep=one, gain=one, bias=np.zeros((), np.float32), threshold=None)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _numpy(tensor: torch.Tensor) -> Array:
    return tensor.detach().cpu().numpy().astype(np.float32)
