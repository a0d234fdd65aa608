"""A network on the grid as plain PyTorch in floats, eager or compiled: what the integer simulator is held against.

Time is folded into the batch and the channels lie innermost; a loop over the steps carries the potentials. Nothing of
ours runs in it.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor

from deploy.grid import DECAY_ONE, STATE_BITS
from deploy.network import Conv, Dense, Flatten, GridNeuron, Network, SumPool


class FloatNetwork(nn.Module):
    """A chain of convolutions, dense layers, poolings that do not overlap, and LIF neurons without current decay."""

    def __init__(self, network: Network, dtype: torch.dtype) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.keeps: list[float | None] = []
        scale = 1 << STATE_BITS
        for name in network.order[1:-1]:
            match node := network.nodes[name]:
                case Conv():
                    layer = nn.Conv2d(node.weight.shape[1], len(node.weight), (3, 3), padding=node.padding, bias=False)
                    layer.weight.data = torch.from_numpy(node.weight * float(scale))
                case Dense():
                    layer = nn.Linear(*node.weight.shape[::-1], bias=False)
                    layer.weight.data = torch.from_numpy(node.weight * float(scale))
                case SumPool():
                    layer = nn.AvgPool2d(node.kernel, node.stride, divisor_override=1)
                case Flatten():
                    layer = nn.Flatten()
                case GridNeuron():
                    layer = nn.Identity()
                case _:
                    raise AssertionError(node)
            self.layers.append(layer)
            keep = 1 - int(node.dv) / DECAY_ONE if isinstance(node, GridNeuron) else None
            self.keeps.append(keep)
        self.to(dtype).eval()
        nn.Module.to(self, memory_format=torch.channels_last)  # pyright: ignore

    def forward(self, frames: Tensor, thresholds: list[Tensor]) -> list[Tensor]:
        """Spikes (T, N, ...) of every layer of frames (T, N, C, H, W); thresholds by layer, each of one element."""
        steps, batch = frames.shape[:2]
        x, given = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last), []
        for layer, keep in zip(self.layers, self.keeps, strict=True):
            if keep is None:
                x = layer(x)
                continue
            threshold = thresholds[len(given)]
            potential, spikes = torch.zeros_like(x[:batch]), []
            for current in x.unflatten(0, (steps, batch)).unbind(0):
                potential = potential * keep + current
                spike = potential > threshold
                potential = potential.masked_fill(spike, 0)
                spikes.append(spike.to(x.dtype))
            x = torch.cat(spikes)
            given.append(x)
        return [spikes.unflatten(0, (steps, batch)) for spikes in given]


def thresholds(network: Network, dtype: torch.dtype) -> list[Tensor]:
    """A bias is taken off the threshold: enough for neurons that spike in every step, and nothing is carried over."""
    nodes = [node for node in network.neurons.values() if isinstance(node, GridNeuron) and node.vth is not None]
    values = [(int(node.vth) << STATE_BITS) - int(node.bias) for node in nodes if node.vth is not None]
    return [torch.tensor(float(value), dtype=dtype) for value in values]


def sides(network: Network) -> dict[str, tuple[Any, torch.dtype]]:
    """By name, what computes it and in which type: eager, and compiled with its weights laid out for oneDNN."""
    inductor.freezing = True
    found: dict[str, tuple[Any, torch.dtype]] = {}
    for dtype in (torch.float32, torch.bfloat16):
        label = str(dtype).removeprefix("torch.")
        module = FloatNetwork(network, dtype)
        found[f"eager {label}"] = (module, dtype)
        found[f"compiled {label}"] = (torch.compile(module, dynamic=False), dtype)
    return found
