"""How many synapses a spike reaches: what a chip pays for it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ckd.models.neuron import LIF
from ckd.models.student import Student


@torch.enable_grad()
def fan_out(student: Student, shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """Synapses that a spike of each neuron reaches, borders counted as they are: those that a chip holds.

    Pooling and batch norm are part of the layer that follows, as they are on the chip.

    Args:
        student: its weights do not matter.
        shape: (C, H, W) of a frame.

    Returns:
        name of a LIF layer, or "input", to (C, H, W) float32.
    """
    # A network of ones: the derivative of all currents by a neuron's output counts the ways from one to the other.
    device = next(student.parameters()).device
    values = {"input": torch.zeros(1, *shape, device=device, requires_grad=True)}
    spiking, currents = dict(values), torch.zeros((), device=device)
    for name, module in student.nodes.items():
        x = torch.stack([values[a] for a, b in student.edges if b == name]).sum(0)
        if isinstance(module, LIF):
            currents = currents + x.sum()
            values[name] = spiking[name] = torch.zeros_like(x, requires_grad=True)
        else:
            values[name] = _counted(module, x)
    for source, target in student.edges:
        if target == "output":
            currents = currents + values[source].sum()
    gradients = torch.autograd.grad(currents, list(spiking.values()))
    return {name: grad[0] for name, grad in zip(spiking, gradients, strict=True)}


def _counted(module: nn.Module, x: Tensor) -> Tensor:
    """What `module` gives if each of its synapses is one."""
    match module:
        case nn.Conv2d():
            ones = torch.ones_like(module.weight, dtype=x.dtype)
            return F.conv2d(x, ones, None, module.stride, module.padding, module.dilation, module.groups)  # pyright: ignore[reportArgumentType]
        case nn.Linear():
            return F.linear(x, torch.ones_like(module.weight, dtype=x.dtype))
        case nn.AvgPool2d():
            return F.avg_pool2d(x, module.kernel_size, module.stride, module.padding, divisor_override=1)
        case nn.BatchNorm2d():
            return x
        case _:
            return module(x)
