"""Neurons on the grid that learn, of any kind: currents, decays and thresholds of their own, every reset.

`export.tuning.grid_layers` has the students' neurons, which are all alike and step much faster.
"""

import numpy as np
import torch
from torch import Tensor, nn

from ckd.models.neuron import Piecewise
from deploy import grid
from deploy.network import GridNeuron, exactly
from deploy.quantization.rounding import FloatLayer, GridLayer
from export.tensor_graph import State
from export.trainable.neurons import surrogate_width
from export.tuning.grid_rounding import StraightThrough, round_bias


class GridCells(nn.Module):
    """The steps of a `GridNeuron` in integers; backwards those of the float neuron, at the values of the integers.

    A bias that is there learns; decays and thresholds stay as quantizing chose them.

    Raises UnsupportedError for a kind of neuron that is not known here.
    """

    du: Tensor
    dv: Tensor
    threshold: Tensor | None
    bias: Tensor

    def __init__(self, floating: FloatLayer, layer: GridLayer) -> None:
        super().__init__()
        neuron = exactly(layer.name, layer.neuron, "fine-tuning", GridNeuron, every_reset=True)
        self._scale, self._unit = layer.scale, layer.scale * (1 << grid.STATE_BITS)
        self._mechanism, self._late = neuron.reset_mechanism, neuron.reset_delay
        self._alpha = 1 / surrogate_width(None if neuron.vth is None else neuron.vth / layer.scale)
        threshold = None if neuron.firing_potential is None else torch.as_tensor(neuron.firing_potential).long()
        self.register_buffer("threshold", threshold)
        for name in ("du", "dv"):
            self.register_buffer(name, torch.as_tensor(getattr(neuron, name)).long())
        bias = torch.from_numpy(np.array(floating.bias, np.float32))
        if bias.any():
            self.bias = nn.Parameter(bias)
        else:
            self.register_buffer("bias", bias)

    def rounded_bias(self) -> Tensor:
        """In the shape of `bias`, int64 in units of potential; what is deployed."""
        return round_bias(self.bias, self._unit)

    def rest(self, like: Tensor) -> State:
        """u and v in integers and in float units, and the bias, which is rounded once for all steps."""
        zero, whole = torch.zeros_like(like, dtype=self.bias.dtype), torch.zeros_like(like, dtype=torch.int64)
        return whole, whole, zero, zero, self.rounded_bias()

    def forward(self, sums: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """One step.

        Args:
            sums: (N, ...) integers in grid units.
            state: as `rest` gives it.

        Returns:
            spikes as 0 and 1, of a readout the potential in float units, and the state.
        """
        u, v, current, potential, bias = state
        u = grid.wrap24(grid.unwrapped_current(u, sums.detach().long(), self.du))
        decayed = (1 - (self.du + 1) / grid.DECAY_ONE) * current
        current = self._float(decayed + sums.to(current.dtype) / self._scale, u)
        whole = grid.unsaturated_voltage(v, u, bias, self.dv)
        driven = (1 - self.dv / grid.DECAY_ONE) * potential + current + self._float(self.bias, bias)
        if self._late and self.threshold is not None:
            owed = v > self.threshold
            whole, driven = self._reset(whole, owed), self._reset_float(driven, owed.to(driven.dtype))
        whole = grid.saturate(whole)
        driven = self._float(driven, whole)
        if self.threshold is None:
            return driven, u, whole, current, driven, bias
        fired = whole > self.threshold
        surrogate = Piecewise.apply(driven - self.threshold / self._unit, self._alpha)
        spikes = StraightThrough.apply(surrogate, fired)
        if not self._late:
            whole, driven = self._reset(whole, fired), self._reset_float(driven, spikes)
        return spikes, u, whole, current, driven, bias  # pyright: ignore[reportReturnType]

    def _float(self, x: Tensor, integers: Tensor) -> Tensor:
        """`integers` in float units, with the gradient of x."""
        return StraightThrough.apply(x, integers / self._unit)  # pyright: ignore[reportReturnType]

    def _reset(self, v: Tensor, spiked: Tensor) -> Tensor:
        if self._mechanism == "zero":
            return v.masked_fill(spiked, 0)
        assert self.threshold is not None
        return v if self._mechanism == "none" else v - spiked * self.threshold

    def _reset_float(self, v: Tensor, spikes: Tensor) -> Tensor:
        if self._mechanism == "zero":
            return v * (1 - spikes)
        assert self.threshold is not None
        return v if self._mechanism == "none" else v - spikes * (self.threshold / self._unit)
