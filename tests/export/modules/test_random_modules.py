"""Modules drawn at random from all that is followed: each becomes a network whose spikes are the module's."""

import random
from typing import Any

import pytest
import snntorch as snn
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import deploy
import export
from export.modules.refusal import ModuleRefusedError
from tests.export.modules.proving import counts, spread

FRAMES = counts(4, 8, 2, 10, 10, largest=3)


class Drawn(nn.Module):
    """Convolutions, batch norms, factors and constants, pooling, neurons of every kind and reset, sums, joins, orders
    and borders; then dense layers; then one of four endings."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.draw = random.Random(seed)
        self.layers, self.does = nn.ModuleList(), list[tuple[str, Any]]()
        channels, size = 2, 10
        for _ in range(self.draw.randint(1, 3)):
            channels, size = self._block(channels, size)
        self.does.append(("flat", None))
        width = channels * size * size
        for last in (False, True)[: self.draw.randint(1, 2)]:
            width = self._dense(width, spiking=not last or self._chance(0.7))
        self.ending = self.draw.choice(["steps", "sum", "mean", "votes"])

    def _chance(self, share: float) -> bool:
        return self.draw.random() < share

    def _add(self, layer: nn.Module, kind: str = "layer") -> None:
        self.layers.append(layer)
        self.does.append((kind, len(self.layers) - 1))

    def _block(self, channels: int, size: int) -> tuple[int, int]:
        kernel, out = self.draw.choice([1, 3]), self.draw.choice([3, 4, 6])
        options: dict[str, Any] = {
            "padding": self.draw.choice([0, 1]),
            "stride": 2 if size > 7 and self._chance(0.3) else 1,
        }
        after = (size + 2 * options["padding"] - kernel) // options["stride"] + 1
        if after < 2:
            return channels, size
        self._add(nn.Conv2d(channels, out, kernel, bias=self._chance(0.5), **options))
        with torch.no_grad():
            self.layers[-1].weight.mul_(4)  # pyright: ignore
        channels, size = out, after
        if self._chance(0.5):
            self._add(nn.BatchNorm2d(channels))
        if self._chance(0.3) and size >= 4:
            self.does.append(("average", 2))
            size //= 2
        for kind, low, high in (("scale", 0.5, 2.0), ("shift", -0.1, 0.2)):
            if self._chance(0.3):
                self.does.append((kind, self.draw.uniform(low, high)))
        self._neurons((channels, 1, 1))
        if self._chance(0.3) and size >= 4:
            self.does.append(("maximum", 2))
            size //= 2
        if self._chance(0.3):
            self.does.append(("double", None))
        if self._chance(0.3):
            self.does.append(("join", None))
            channels *= 2
        if self._chance(0.2):
            self.does.append(("order", torch.randperm(channels)))
        if self._chance(0.2):
            self.does.append(("border", 1))
            size += 2
        return channels, size

    def _dense(self, width: int, *, spiking: bool) -> int:
        out = self.draw.choice([8, 12])
        self._add(nn.Linear(width, out, bias=self._chance(0.7)))
        with torch.no_grad():
            self.layers[-1].weight.mul_(3)  # pyright: ignore
        if self._chance(0.3):
            self._add(nn.BatchNorm1d(out))
        if spiking:
            self._neurons((out,))
        return out

    def _neurons(self, shape: tuple[int, ...]) -> None:
        threshold: Any = torch.rand(shape) + 0.3 if self._chance(0.3) else self.draw.choice([0.3, 0.5, 1.0])
        beta: Any = torch.rand(shape) * 0.9 if self._chance(0.4) else 0.8
        reset = self.draw.choice(["subtract", "zero", "none"])
        options: dict[str, Any] = {"beta": beta, "threshold": threshold, "reset_mechanism": reset}
        kind = self.draw.choice([snn.Leaky, snn.Leaky, snn.Synaptic, snn.RLeaky, snn.RSynaptic])
        if kind in (snn.Synaptic, snn.RSynaptic):
            options["alpha"] = 0.4
        if kind in (snn.RLeaky, snn.RSynaptic):
            image = {"conv2d_channels": shape[0], "kernel_size": 3}
            options |= image if len(shape) == 3 else {"linear_features": shape[0]}
        self._add(kind(**options), "neurons")

    def _do(self, kind: str, what: Any, x: Tensor, states: dict[int, tuple[Tensor, ...]]) -> Tensor:
        match kind:
            case "neurons":
                layer = self.layers[what]
                given = layer(x, *states.get(what, ()))
                states[what] = given if isinstance(layer, snn.RLeaky | snn.RSynaptic) else given[1:]
                return given[0]
            case "layer":
                return self.layers[what](x)
            case "average":
                return F.avg_pool2d(x, what)
            case "maximum":
                return F.max_pool2d(x, what)
            case "scale":
                return x * what
            case "shift":
                return x + what
            case "double":
                return x + x
            case "join":
                return torch.cat([x, x.flip(1)], 1)
            case "order":
                return x[:, what]
            case "border":
                return F.pad(x, (what,) * 4)
        return x.flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        states: dict[int, tuple[Tensor, ...]] = {}
        out = []
        for layer in self.layers:
            if isinstance(layer, snn.SpikingNeuron):
                layer.reset_mem()  # pyright: ignore
        for frame in x:
            for kind, what in self.does:
                frame = self._do(kind, what, frame, states)
            out.append(frame)
        steps = torch.stack(out)
        match self.ending:
            case "sum":
                return steps.sum(0)
            case "mean":
                return steps.mean(0)
            case "votes":
                return steps.unflatten(2, (-1, 2)).sum(3)
        return steps


def prove_seed(seed: int) -> bool:
    """Whether the module of a seed was proven; a layer may be silent, nothing else may keep it from that."""
    module = spread(Drawn(seed), seed)
    try:
        network = export.from_torch(module, FRAMES)
    except ModuleRefusedError as error:
        assert "never spikes" in str(error), f"seed {seed}: {error}"
        return False
    with torch.no_grad():
        whole = module(torch.from_numpy(FRAMES).float().transpose(0, 1))
    if module.ending == "steps":
        found = deploy.run(network, FRAMES, on="float").layers[network.output_layer].output
        expected = whole.transpose(0, 1).numpy()
        if found.dtype == bool:
            assert ((expected != 0) == found).all()
        else:
            assert abs(expected.cumsum(1) - found).max() <= 1e-4 * abs(found).max()
    return True


def test_random_modules() -> None:
    assert sum(prove_seed(seed) for seed in range(12)) >= 9


@pytest.mark.long
def test_many_random_modules() -> None:
    assert sum(prove_seed(seed) for seed in range(100, 300)) >= 150
