"""The modules of a student on the grid: exact integers forward, straight-through gradients backward.

Convolutions and classifier hold float weights and compute with their nearest weights on the grid, neurons step in
integers (`deploy.grid`). Backwards rounding is the identity (straight-through estimator, Bengio et al. 2013, arXiv
1308.3432) and a spike has the student's own surrogate. Scales, decays and thresholds stay as quantizing chose them;
weights and biases learn.

A float unit is `scale` units of a synaptic sum, and `scale` times 2^STATE_BITS units of potential.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from ckd.models.neuron import LIF, current_gradient
from deploy import grid
from deploy.errors import UnsupportedError
from deploy.network import Conv, Dense, GridNeuron, exactly
from deploy.quantization.rounding import FloatLayer, GridLayer
from export.tuning.grid_rounding import Rounding, StraightThrough, round_bias


class GridConv(nn.Conv2d):
    """Synaptic sums of a layer on the grid: integers, held by float32.

    Raises UnsupportedError where `name` is no convolution.
    """

    def __init__(self, name: str, floating: FloatLayer, layer: GridLayer, weight_bits: int) -> None:
        node, on_grid = floating.synapses[name], layer.synapses[name]
        if not isinstance(node, Conv) or not isinstance(on_grid, Conv):
            raise UnsupportedError(f"{name}: only convolutions feed a student's spiking neurons")
        out, per_group, *kernel = node.weight.shape
        super().__init__(
            per_group * node.groups,
            out,
            (kernel[0], kernel[1]),
            stride=node.stride,
            padding=node.padding,
            dilation=node.dilation,
            groups=node.groups,
            bias=False,
        )
        self._rounding = Rounding(on_grid.weight_exp, layer.scale, weight_bits)
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(node.weight))

    def rounded_weight(self) -> Tensor:
        """(out, in / groups, height, width) grid units, in float32; what is deployed."""
        return self._rounding.weight(self.weight)

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Spikes or counts (N, in, H, W) to sums (N, out, H', W') in grid units."""
        return self._rounding.shifted(self._conv_forward(x, self.rounded_weight(), None))


class GridDense(nn.Linear):
    """The same of a dense layer.

    Raises UnsupportedError where `name` is none.
    """

    def __init__(self, name: str, floating: FloatLayer, layer: GridLayer, weight_bits: int) -> None:
        node, on_grid = floating.synapses[name], layer.synapses[name]
        if not isinstance(node, Dense) or not isinstance(on_grid, Dense):
            raise UnsupportedError(f"{name}: a student ends in a dense layer")
        super().__init__(node.weight.shape[1], node.weight.shape[0], bias=False)
        self._rounding = Rounding(on_grid.weight_exp, layer.scale, weight_bits)
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(node.weight))

    def rounded_weight(self) -> Tensor:
        """(out, in) grid units, in float32; what is deployed."""
        return self._rounding.weight(self.weight)

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Spikes or counts (N, in) to sums (N, out) in grid units."""
        return self._rounding.shifted(F.linear(x, self.rounded_weight()))


class GridClassifier(GridDense):
    """The readout's input on the grid, per step, in the units of the float student's logits."""

    def __init__(self, name: str, floating: FloatLayer, layer: GridLayer, weight_bits: int) -> None:
        super().__init__(name, floating, layer, weight_bits)
        self._state = layer.scale * (1 << grid.STATE_BITS)
        bias = np.broadcast_to(floating.bias, layer.neuron.shape)
        self.bias = nn.Parameter(torch.from_numpy(bias.astype(np.float32)))

    def rounded_bias(self) -> Tensor:
        """(classes,) int64 in the readout's units of potential; what is deployed."""
        return round_bias(self.bias, self._state)

    def forward(self, x: Tensor) -> Tensor:
        """Spikes (N, in) to logits (N, classes)."""
        bias = StraightThrough.apply(self.bias, self.rounded_bias() / self._state)
        return super().forward(x) / (self._state / (1 << grid.STATE_BITS)) + bias


class GridLIF(LIF):
    """Neurons on the grid.

    Raises UnsupportedError where they are not like a student's: one decay and threshold for all, and no current.
    """

    dv: Tensor
    vth: Tensor

    def __init__(self, floating: FloatLayer, layer: GridLayer, alpha: float) -> None:
        neuron = exactly(layer.name, layer.neuron, "fine-tuning", GridNeuron)
        assert neuron.vth is not None
        if floating.decays_current or neuron.dv.size > 1 or neuron.vth.size > 1:
            raise UnsupportedError(f"{layer.name}: a student's neurons share one decay and threshold, without current")
        beta = 1 - float(neuron.dv) / grid.DECAY_ONE
        super().__init__(beta=beta, threshold=float(neuron.vth) / layer.scale, alpha=alpha)
        self.scale = layer.scale
        self.register_buffer("dv", torch.tensor(int(neuron.dv)))
        self.register_buffer("vth", torch.tensor(int(neuron.vth)))
        self.bias = nn.Parameter(torch.from_numpy(np.asarray(floating.bias, np.float32).copy()))

    def rounded_bias(self) -> Tensor:
        """In the shape of `bias`, int64 in units of potential; what is deployed."""
        return round_bias(self.bias, self.scale * (1 << grid.STATE_BITS))

    def sequence(self, current: Tensor) -> tuple[Tensor, Tensor]:
        """Sums (T, N, ...) in grid units to spikes of their type and potentials before the reset, in float units."""
        cells = _Cells(self.dv, self.vth, self.rounded_bias(), self.scale, self.beta, self.threshold, self.alpha)
        spikes, potential = _GridSteps.apply(current, self.bias, cells)  # type: ignore[misc]
        return spikes.to(current.dtype), potential


class _Cells(NamedTuple):
    """One layer's parameters: dv, vth and bias as the chip holds them, beta and threshold as the float student did."""

    dv: Tensor
    vth: Tensor
    bias: Tensor
    scale: float
    beta: Tensor
    threshold: Tensor
    alpha: float


class _GridSteps(torch.autograd.Function):
    """All time steps in integers; backwards the float recurrence with the potentials that the integers gave."""

    @staticmethod
    def forward(ctx: FunctionCtx, sums: Tensor, bias: Tensor, cells: _Cells) -> tuple[Tensor, Tensor]:  # pyright: ignore
        ctx.set_materialize_grads(False)  # pyright: ignore[reportAttributeAccessIssue]
        state = cells.scale * (1 << grid.STATE_BITS)
        threshold = cells.vth << grid.STATE_BITS
        spikes, potential = torch.empty_like(sums), torch.empty_like(sums, dtype=torch.float32)
        v = torch.zeros_like(sums[0], dtype=torch.int64)
        for t, a in enumerate(sums):
            h = grid.step_voltage(v, grid.wrap24(a.long() << grid.STATE_BITS), cells.bias, cells.dv)
            fired = h > threshold
            spikes[t] = fired
            potential[t] = h / state
            v = h.masked_fill(fired, 0)
        ctx.save_for_backward(potential, cells.beta, cells.threshold)
        ctx.cells, ctx.bias_shape = cells, bias.shape  # pyright: ignore[reportAttributeAccessIssue]
        return spikes, potential

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, spikes_grad: Tensor | None, potential_grad: Tensor | None) -> tuple[Tensor, Tensor, None]:  # pyright: ignore
        potential, beta, threshold = ctx.saved_tensors
        grad = current_gradient(potential, spikes_grad, potential_grad, beta, threshold, ctx.cells.alpha)
        return grad / ctx.cells.scale, grad.sum_to_size(ctx.bias_shape), None
