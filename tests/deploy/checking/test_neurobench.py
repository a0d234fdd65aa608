"""NeuroBench's metrics against its own harness, on the same network wrapped as a torch module."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("neurobench", reason="neurobench is not installed")

import torch
from neurobench.benchmarks import Benchmark  # pyright: ignore[reportMissingImports]
from neurobench.metrics.static import ConnectionSparsity, Footprint  # pyright: ignore[reportMissingImports]
from neurobench.metrics.workload import ActivationSparsity, SynapticOperations  # pyright: ignore[reportMissingImports]
from neurobench.models import NeuroBenchModel  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from deploy.checking.certificate.metrics import metrics
from deploy.network import Array, Conv, Dense, Flatten, GridNeuron, Network, SumPool
from deploy.runners.integer.simulator import run
from tests.builders import small_frames, small_network


class Spiking(nn.Module):
    """Neurons on the grid, whose parameters are buffers; what comes out is 0 and 1."""

    def __init__(self, node: GridNeuron) -> None:
        super().__init__()
        self.node = node
        for name in ("du", "dv", "vth", "bias"):
            value = getattr(node, name)
            if value is not None:
                self.register_buffer(name, torch.tensor(value, dtype=torch.float32))
        self.state = node.rest(1)

    def forward(self, x: Tensor) -> Tensor:
        step = self.node.step(self.state, x.numpy().astype(np.int64))
        self.state = step.state
        return torch.from_numpy(step.spikes.astype(np.float32))


class Readout(Spiking):
    """Neurons that never spike: no activation."""


class Shift(nn.Module):
    def __init__(self, exponent: int) -> None:
        super().__init__()
        self.exponent = exponent

    def forward(self, x: Tensor) -> Tensor:
        return torch.floor(x * 2.0**self.exponent)


def layers_of(network: Network) -> nn.Sequential:
    """A network without branches as torch modules."""
    layers: list[nn.Module] = []
    for name in network.order:
        node: Any = network.nodes[name]
        match node:
            case Conv():
                out, per_group, height, width = node.weight.shape
                options: Any = {"stride": node.stride, "padding": node.padding, "dilation": node.dilation}
                layer = nn.Conv2d(
                    per_group * node.groups, out, (height, width), groups=node.groups, bias=False, **options
                )
            case Dense():
                layer = nn.Linear(*node.weight.shape[::-1], bias=False)
            case SumPool():
                layer = nn.AvgPool2d(node.kernel, node.stride, node.padding, divisor_override=1)
            case Flatten():
                layer = nn.Flatten()
            case GridNeuron():
                layer = Readout(node) if node.is_readout else Spiking(node)
            case _:
                continue
        layers.append(layer)
        if isinstance(node, Conv | Dense):
            layer.weight.data = torch.tensor(node.weight, dtype=torch.float32)
            layers.append(Shift(node.weight_exp))
    return nn.Sequential(*layers)


class Wrapped(NeuroBenchModel):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.net = layers_of(network).eval()
        self.activation_modules = [Spiking]

    def __call__(self, batch: Tensor) -> Tensor:
        for layer in self.net:
            if isinstance(layer, Spiking):
                layer.state = layer.node.rest(len(batch))
        with torch.no_grad():
            return torch.stack([self.net(batch[:, t]) for t in range(batch.shape[1])], dim=1)

    def __net__(self) -> nn.Module:
        return self.net

    def activation_layers(self) -> list[dict[str, Any]]:
        return [one for one in super().activation_layers() if not isinstance(one["layer"], Readout)]


def by_the_harness(network: Network, frames: Array) -> dict[str, Any]:
    """One recording a batch: whether an operation is a multiplication is decided for a batch at a time."""
    data = TensorDataset(torch.from_numpy(frames.astype(np.float32)), torch.zeros(len(frames)))
    wanted = [[Footprint, ConnectionSparsity], [ActivationSparsity, SynapticOperations]]
    return Benchmark(Wrapped(network), DataLoader(data, batch_size=1), [], [], wanted).run(quiet=True)


def test_every_metric_is_the_harness_own() -> None:
    network, frames = small_network(), small_frames()
    frames[3, 2, 0, 0, 0] = 2  # a count that makes multiplications of this step's operations
    found = metrics(network, run(network, frames)).as_dict()
    harness = by_the_harness(network, frames)
    assert harness["Footprint"] == found["footprint"]
    assert harness["ConnectionSparsity"] == found["connection_sparsity"]
    assert harness["SynapticOperations"] == found["synaptic_operations"]
    # The harness adds up the shares of batches; ours is one division.
    assert harness["ActivationSparsity"] == pytest.approx(found["activation_sparsity"], rel=1e-12)
    assert found["synaptic_operations"]["Effective_MACs"] > 0 and 0 < found["activation_sparsity"] < 1
