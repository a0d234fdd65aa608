"""A network on the grid as a torch module: the quantized student, the same integers on any device.

Convolutions run in float32 over integer-valued tensors. Every partial sum is an integer below 2^24, which float32
holds exactly whatever the order of summation, the batch size or the algorithm (docs/grid.md, "Why it can be exact
everywhere"). That bound is proven from the weights for each layer; a layer that cannot keep it is split into groups of
input channels that can. The leak needs 36-bit products and runs in int64.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deploy import grid
from deploy.errors import GridError, UnsupportedError
from deploy.network import Array, Conv, Dense, GridNeuron, Network, Shape, SumPool, exactly
from deploy.network.counts import largest_counts
from deploy.runners.walk import Walk
from export.node_modules import NodeModules


@dataclass
class Activity:
    """What a forward gives, by the name of a layer of neurons.

    spikes: (R, T, ...) bool, of spiking layers.
    u, v: (R, T, ...) int64, synaptic current and potential after each step, in grid units.
    overflows: how often u wrapped or v saturated.
    """

    spikes: dict[str, Tensor] = field(default_factory=dict)
    u: dict[str, Tensor] = field(default_factory=dict)
    v: dict[str, Tensor] = field(default_factory=dict)
    overflows: dict[str, int] = field(default_factory=dict)


class IntegerNetwork(nn.Module):
    """Run a network on the grid with torch; every forward starts from rest."""

    def __init__(self, network: Network, *, max_count: int = 1) -> None:
        """Prove the bound of every layer.

        Args:
            network: on the grid.
            max_count: the largest count that a frame may hold.

        Raises:
            UnsupportedError: the network is not on the grid.
            GridError: a single input channel of a layer exceeds 2^24 by itself.
        """
        super().__init__()
        if not network.on_grid:
            raise UnsupportedError("this network is not on the grid; quantize it first: deploy.quantize")
        self.network = network
        counts = largest_counts(network, max_count)
        self.synapses = NodeModules(
            {
                name: _Synapse(name, network, counts[network.sources(name)[0]])
                for name, node in network.nodes.items()
                if isinstance(node, Dense | Conv | SumPool)
            }
        )
        self.neurons = NodeModules({name: _Neurons(name, node) for name, node in network.neurons.items()})

    def forward(self, frames: Tensor, *, schedule: str = "synchronous", states: bool = False) -> Activity:
        """Run frames.

        Args:
            frames: (R, T, *input_shape) integers of any dtype, on the module's device.
            schedule: "synchronous", or "pipelined" as in `deploy.runners.walk`.
            states: keep u of every layer and v of spiking ones; v of a readout is always there.
        """
        arithmetic = _TorchArithmetic(self, states)
        Walk(self.network, arithmetic, schedule).advance(frames, frames.shape[1])
        return arithmetic.activity()


def channel_groups(name: str, weight: Array, max_input: int) -> list[slice]:
    """Cut the input channels of a layer so that no group's sum can reach 2^24.

    Args:
        name: of the layer, for the message.
        weight: (out, in, ...) integers.
        max_input: the largest value that one input may have.

    Raises:
        GridError: one channel reaches it alone.
    """
    per_channel = np.abs(weight.astype(np.int64)).reshape(*weight.shape[:2], -1).sum(axis=2) * max_input
    if per_channel.max() >= grid.FLOAT32_EXACT:
        raise GridError(
            f"{name}: one input channel alone can sum to {per_channel.max()}, not below 2^24, where float32 stops "
            "being exact; use smaller weights, a smaller kernel, or a smaller max_count"
        )
    groups, start = [], 0
    total = np.zeros(weight.shape[0], np.int64)
    for channel in range(weight.shape[1]):
        if (total + per_channel[:, channel]).max() >= grid.FLOAT32_EXACT:
            groups.append(slice(start, channel))
            start, total = channel, np.zeros_like(total)
        total += per_channel[:, channel]
    return [*groups, slice(start, weight.shape[1])]


class _Synapse(nn.Module):
    """Weighted sums as int64, exact by the bound on each group of input channels."""

    weight: Tensor

    def __init__(self, name: str, network: Network, max_input: int) -> None:
        super().__init__()
        node = network.nodes[name]
        match node:
            case Dense():
                # A dense layer is a convolution of a 1 x 1 image.
                weight, self.options = node.weight[:, :, None, None], {}
            case Conv():
                weight = node.weight
                self.options = {
                    "stride": node.stride,
                    "padding": node.padding,
                    "dilation": node.dilation,
                    "groups": node.groups,
                }
            case SumPool():
                channels = network.shapes[name][0]
                weight = np.ones((channels, 1, *node.kernel), np.int32)
                self.options = {"stride": node.stride, "padding": node.padding, "groups": channels}
            case _:
                raise UnsupportedError(f"{name}: {type(node).__name__} is no synapse")
        self.dense = isinstance(node, Dense)
        self.exponent = 0 if isinstance(node, SumPool) else node.weight_exp
        self.parts = channel_groups(name, weight, max_input)
        if len(self.parts) > 1 and self.options.get("groups", 1) > 1:
            raise GridError(
                f"{name}: its sums can reach 2^24 and a grouped convolution is not split; use fewer channels"
            )
        self.register_buffer("weight", torch.from_numpy(weight.astype(np.float32)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) or (N, C) integers to int64 sums."""
        x = x[:, :, None, None] if self.dense else x
        x = x.to(self.weight.dtype)
        if len(self.parts) == 1:
            total = F.conv2d(x, self.weight, **self.options).long()
        else:
            total = torch.stack(
                [F.conv2d(x[:, part], self.weight[:, part], **self.options).long() for part in self.parts]
            ).sum(0)
        return grid.shift_weighted_sum(total[:, :, 0, 0] if self.dense else total, self.exponent)


class _Neurons(nn.Module):
    """The parameters of one layer of neurons."""

    du: Tensor
    dv: Tensor
    bias: Tensor
    threshold: Tensor | None

    def __init__(self, name: str, neuron: object) -> None:
        super().__init__()
        node = exactly(name, neuron, "the torch module", GridNeuron, every_reset=True)
        for key in ("du", "dv", "bias"):
            self.register_buffer(key, torch.as_tensor(getattr(node, key)).long(), persistent=False)
        threshold = None if node.vth is None else torch.as_tensor(node.vth).long() << grid.STATE_BITS
        self.register_buffer("threshold", threshold, persistent=False)
        self._mechanism, self.resets_late = node.reset_mechanism, node.reset_delay

    def spikes(self, v: Tensor) -> Tensor:
        """Where potentials v lie above the threshold."""
        return torch.zeros_like(v, dtype=torch.bool) if self.threshold is None else v > self.threshold

    def reset(self, v: Tensor, spiked: Tensor) -> Tensor:
        """v after the spikes that are to reset it."""
        if self._mechanism == "zero":
            return v.masked_fill(spiked, 0)
        return v if self._mechanism == "none" or self.threshold is None else v - spiked * self.threshold


class _TorchArithmetic:
    """The arithmetic of a walk over tensors (R, T, ...); keeps what the layers give."""

    def __init__(self, module: IntegerNetwork, states: bool) -> None:
        self._module, self._states = module, states
        self._state: dict[str, tuple[Tensor, Tensor]] = {}
        self._kept: dict[str, dict[str, list[Tensor]]] = {"spikes": {}, "u": {}, "v": {}}
        self._overflows: dict[str, int] = dict.fromkeys(module.network.neurons, 0)

    def activity(self) -> Activity:
        joined = {
            kind: {name: torch.cat(parts, 1) for name, parts in layers.items()} for kind, layers in self._kept.items()
        }
        return Activity(**joined, overflows=self._overflows)

    def enter(self, frames: Tensor) -> Tensor:
        return frames

    def synapse(self, name: str, x: Tensor) -> Tensor:
        return self._module.synapses[name](x.flatten(0, 1)).unflatten(0, x.shape[:2])

    def neurons(self, name: str, x: Tensor) -> Tensor:
        cells = self._module.neurons[name]
        assert isinstance(cells, _Neurons)
        zero = torch.zeros_like(x[:, 0], dtype=torch.int64)
        u, v = self._state.get(name, (zero, zero))
        spikes, us, vs = [], [], []
        overflows = torch.zeros((), dtype=torch.int64, device=x.device)
        for a in x.long().unbind(1):
            unwrapped = grid.unwrapped_current(u, a, cells.du)
            u = grid.wrap24(unwrapped)
            unsaturated = grid.unsaturated_voltage(v, u, cells.bias, cells.dv)
            if cells.resets_late:
                unsaturated = cells.reset(unsaturated, cells.spikes(v))
            v = grid.saturate(unsaturated)
            overflows += (unwrapped != u).count_nonzero() + (unsaturated != v).count_nonzero()
            spike = cells.spikes(v)
            v = v if cells.resets_late else cells.reset(v, spike)
            spikes.append(spike)
            us.append(u)
            vs.append(v)
        self._state[name] = (u, v)
        self._overflows[name] += int(overflows)
        if cells.threshold is not None:
            self._keep("spikes", name, spikes)
        if self._states:
            self._keep("u", name, us)
        if self._states or cells.threshold is None:
            self._keep("v", name, vs)
        return torch.stack(spikes, 1)

    def reset(self, name: str) -> None:
        self._state.pop(name, None)

    def flatten(self, x: Tensor) -> Tensor:
        return x.flatten(2)

    def zeros(self, shape: Shape, like: Tensor, steps: int) -> Tensor:
        return torch.zeros((len(like), steps, *shape), dtype=torch.int64, device=like.device)

    def add(self, values: Sequence[Tensor]) -> Tensor:
        return torch.stack([value.long() for value in values]).sum(0)

    def cut(self, x: Tensor, start: int, stop: int) -> Tensor:
        return x[:, start:stop]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.cat([part.long() for part in parts], 1)

    def _keep(self, kind: str, name: str, steps: list[Tensor]) -> None:
        self._kept[kind].setdefault(name, []).append(torch.stack(steps, 1))
