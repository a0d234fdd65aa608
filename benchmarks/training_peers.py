"""The same convolutional network with ReLU and with the neurons of other libraries: what the student is held against.

Each makes of a student a function from frames (T, N, C, H, W) to logits (T, N, K), and its parameters. All have
the student's weights, its batch norm and its pooling; libraries are imported where they are used.
"""

import copy
from collections.abc import Callable, Iterable
from importlib import import_module

import torch
from torch import Tensor, nn

from ckd.models.neuron import LIF, Piecewise
from ckd.models.student import Student

Network = tuple[Callable[[Tensor], Tensor], Iterable[nn.Parameter]]


def ours(student: Student) -> Network:
    return lambda frames: student(frames).logits, student.parameters()


def relu(student: Student) -> Network:
    """The plain network, time folded into the batch, channels innermost as ours."""
    network = _with(student, lambda lif: nn.ReLU())
    return _folded(network), network.parameters()


def relu_compiled(student: Student) -> Network:
    network = _with(student, lambda lif: nn.ReLU())
    return _folded(torch.compile(network)), network.parameters()


def snntorch(student: Student) -> Network:
    """The loop of its tutorials: the whole network step after step."""
    import snntorch as library

    def neuron(lif: LIF) -> nn.Module:
        beta, threshold = float(lif.beta), float(lif.threshold)
        spike = lambda x: Piecewise.apply(x, lif.alpha)  # noqa: E731
        kind = {"reset_mechanism": "zero", "reset_delay": False, "init_hidden": True}
        return library.Leaky(beta=beta, threshold=threshold, spike_grad=spike, **kind)  # pyright: ignore

    network = _with(student, neuron)

    def forward(frames: Tensor) -> Tensor:
        for module in network:
            if isinstance(module, library.Leaky):
                module.reset_mem()
        return torch.stack([network(frame.contiguous(memory_format=torch.channels_last)) for frame in frames])

    return forward, network.parameters()


def spikingjelly(student: Student) -> Network:
    """Multi-step: its fastest on a CPU."""
    parts = ("functional", "surrogate", "neuron")
    functional, surrogate, library = (import_module(f"spikingjelly.activation_based.{part}") for part in parts)

    def neuron(lif: LIF) -> nn.Module:
        tau = 1 / (1 - float(lif.beta))
        shape = {"surrogate_function": surrogate.PiecewiseQuadratic(lif.alpha), "detach_reset": False}
        return library.LIFNode(tau, False, float(lif.threshold), 0.0, step_mode="m", **shape)  # pyright: ignore

    network = _with(student, neuron)

    def forward(frames: Tensor) -> Tensor:
        functional.reset_net(network)
        return _layer_by_layer(network, frames, lambda module: isinstance(module, library.LIFNode))

    return forward, network.parameters()


def sinabs(student: Student) -> Network:
    activation, library = import_module("sinabs.activation"), import_module("sinabs.layers")

    def neuron(lif: LIF) -> nn.Module:
        tau = -1 / float(torch.log(lif.beta))
        return _TimeSecond(
            library.LIF(
                tau, spike_threshold=float(lif.threshold), reset_fn=activation.MembraneReset(), norm_input=False
            )
        )

    network = _with(student, neuron)

    def forward(frames: Tensor) -> Tensor:
        for module in network:
            if isinstance(module, _TimeSecond):
                module.neuron.reset_states()  # pyright: ignore
        return _layer_by_layer(network, frames, lambda module: isinstance(module, _TimeSecond))

    return forward, network.parameters()


def norse(student: Student) -> Network:
    library = import_module("norse.torch")

    def neuron(lif: LIF) -> nn.Module:
        values = {"tau_mem_inv": torch.tensor((1 - float(lif.beta)) * 1000), "v_th": lif.threshold.clone()}
        return library.Lift(library.LIFBoxCell(library.LIFBoxParameters(**values)))  # pyright: ignore

    network = _with(student, neuron)

    def forward(frames: Tensor) -> Tensor:
        return _layer_by_layer(network, frames, lambda module: isinstance(module, library.Lift))

    return forward, network.parameters()


NETWORKS: dict[str, Callable[[Student], Network]] = {
    "ckd": ours,
    "ReLU": relu,
    "ReLU, torch.compile": relu_compiled,
    "snnTorch": snntorch,
    "spikingjelly": spikingjelly,
    "sinabs": sinabs,
    "norse": norse,
}


class _TimeSecond(nn.Module):
    """Neurons that take (N, T, ...)."""

    def __init__(self, neuron: nn.Module) -> None:
        super().__init__()
        self.neuron = neuron

    def forward(self, x: Tensor) -> Tensor:
        return self.neuron(x.transpose(0, 1)).transpose(0, 1)


def _with(student: Student, neuron: Callable[[LIF], nn.Module]) -> nn.Sequential:
    """The student's modules one after the other, copied, with other neurons."""
    modules = student.nodes.values()
    return nn.Sequential(*(neuron(m) if isinstance(m, LIF) else copy.deepcopy(m) for m in modules))


def _folded(network: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def forward(frames: Tensor) -> Tensor:
        images = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        return network(images).unflatten(0, frames.shape[:2])

    return forward


def _layer_by_layer(network: nn.Sequential, frames: Tensor, stateful: Callable[[nn.Module], bool]) -> Tensor:
    steps = frames.shape[:2]
    x = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    for module in network:
        if stateful(module):
            given = module(x.unflatten(0, steps))
            x = (given[0] if isinstance(given, tuple) else given).flatten(0, 1)
        else:
            x = module(x)
    return x.unflatten(0, steps)
