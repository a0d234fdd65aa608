"""A float network as a torch module of snnTorch neurons, to train it further, and the way back."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from snntorch import Synaptic
from torch import Tensor, nn

from deploy.errors import UnsupportedError
from deploy.network import Array, Conv, Dense, FloatNeuron, Network, Node, Scale, SumPool, exactly
from export.tensor_graph import State, TensorGraph
from export.trainable.neurons import Cells, forget, to_cells


def to_torch(network: Network, *, learn_decays: bool = False) -> "TorchNetwork":
    """Make a torch module of a float network, whoever trained it.

    Its spikes are those of the float runner, up to the order in which float32 sums a synapse. What learns: weights and
    biases; of a neuron its bias, where it has one. Thresholds stay, since the weights that feed a layer set the same
    scale; so do factors and gains.

    Args:
        network: float, of `FloatNeuron`s with any reset; its arrays are copied, in float32.
        learn_decays: whether the decays of neurons that leak learn too.

    Returns:
        frames (T, N, *input_shape) to spikes or potentials of the output layer (T, N, ...), differentiable by the
        piecewise surrogate; its `network()` is the network with what was learned.

    Raises:
        UnsupportedError: a network on the grid, or a kind of neuron that is not known here.
        ModelError: the output is not fed by one layer of neurons.

    >>> import export, deploy, torch
    >>> from deploy.passes.to_float import to_float
    >>> module = export.to_torch(to_float(network))
    >>> spikes = module(torch.from_numpy(frames).transpose(0, 1))
    >>> trained = module.network()
    """
    return TorchNetwork(network, learn_decays=learn_decays)


class TorchNetwork(TensorGraph):
    """What `to_torch` gives."""

    def __init__(self, network: Network, *, learn_decays: bool = False) -> None:
        if network.neurons and network.on_grid:
            raise UnsupportedError(
                "this network is on the grid, whose integers do not learn by themselves; take its float network, or "
                "train it there: ckd-export --finetune N FILE --events DIR"
            )
        modules = {name: _module(name, node, learn_decays) for name, node in network.nodes.items()}
        super().__init__(network, {name: module for name, module in modules.items() if module is not None})
        self.learn_decays = learn_decays

    def forward(self, frames: Tensor, **options: Any) -> Tensor:
        try:
            return super().forward(frames, **options)
        finally:
            for name in self._graph.neurons:
                forget(self._cells(name))

    def rest(self, name: str, like: Tensor) -> State:
        zero = torch.zeros_like(like)
        return (zero, zero) if isinstance(self._cells(name), Synaptic) else (zero,)

    def network(self) -> Network:
        """The network with the weights, biases and decays that the module has now; all else is as it came."""
        nodes = {name: self._learned(name, node) for name, node in self._graph.nodes.items()}
        return self._graph.replace(nodes=nodes)

    def _learned(self, name: str, node: Node) -> Node:
        if isinstance(node, Dense | Conv):
            module = self.nodes[name]
            assert isinstance(module, nn.Linear | nn.Conv2d)
            bias = None if module.bias is None else _array(module.bias)
            return replace(node, weight=_array(module.weight), bias=bias)
        if not isinstance(node, FloatNeuron):
            return node
        cells = self._cells(name)
        fields = {"keep": "beta", "current_keep": "alpha", "bias": "bias"}
        learned = {
            field: _array(value if field == "bias" else value.clamp(0, 1))
            for field, attribute in fields.items()
            if isinstance(value := getattr(cells, attribute, None), nn.Parameter)
        }
        return replace(node, **learned)

    def _cells(self, name: str) -> Cells:
        return self.nodes[name]  # pyright: ignore[reportReturnType]


def _module(name: str, node: Node, learn_decays: bool) -> nn.Module | None:
    match node:
        case Dense():
            linear = nn.Linear(node.weight.shape[1], node.weight.shape[0], node.bias is not None, device="meta")
            return _filled(linear, node)
        case Conv():
            groups, (outputs, inputs, height, width) = node.groups, node.weight.shape
            conv = nn.Conv2d(
                inputs * groups,
                outputs,
                (height, width),
                node.stride,
                node.padding,
                node.dilation,
                groups,
                bias=node.bias is not None,
                device="meta",
            )
            return _filled(conv, node)
        case SumPool():
            return _Sums(node)
        case Scale():
            return _Factor(node)
        case FloatNeuron():
            node = exactly(name, node, "the torch module", FloatNeuron, every_reset=True)
            return to_cells(node, learn_decays=learn_decays)
        case _:
            return None


def _filled(module: nn.Linear | nn.Conv2d, node: Dense | Conv) -> nn.Module:
    """A module that was made without drawing weights, so that nobody's random numbers change."""
    module.weight = _parameter(node.weight)
    if node.bias is not None:
        module.bias = _parameter(node.bias)
    return module


class _Sums(nn.Module):
    """Sums over windows of (N, C, H, W)."""

    def __init__(self, node: SumPool) -> None:
        super().__init__()
        self.kernel, self.stride = node.kernel, node.stride
        (rows, columns) = node.padding
        self.padding = (columns, columns, rows, rows)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(x, self.padding), self.kernel, self.stride, divisor_override=1)


class _Factor(nn.Module):
    """Elementwise factors of (N, ...)."""

    factor: Tensor

    def __init__(self, node: Scale) -> None:
        super().__init__()
        self.register_buffer("factor", torch.from_numpy(np.array(node.factor, np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def _parameter(values: Array) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.array(values, np.float32)))


def _array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().numpy().astype(np.float32)
