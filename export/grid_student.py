"""The student on the grid as a student again: exact integers forward, straight-through gradients backward.

A `Student` whose modules round: convolutions and classifier hold float weights and compute with their nearest weights
on the grid, neurons step in integers (`deploy.grid`). Backwards rounding is the identity (straight-through estimator,
Bengio et al. 2013, arXiv 1308.3432) and a spike has the student's own surrogate. Scales, decays and thresholds stay as
quantizing chose them; weights and biases learn.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from ckd.models.neuron import LIF, current_gradient
from ckd.models.student import Student
from deploy import grid
from deploy.errors import UnsupportedError
from deploy.network import Conv, Dense, Flatten, GridNeuron, Network
from deploy.network.parameters import ParameterChange, compare_parameter
from deploy.quantization.rounding import FloatLayer, GridLayer, collect_layer
from deploy.quantization.search import Quantisation


def build_grid_student(quantization: Quantisation, *, weight_bits: int, alpha: float) -> Student:
    """A student that computes exactly what the network on the grid does, and can learn.

    Args:
        quantization: of a student's network.
        weight_bits: bits per weight, 1 to 8.
        alpha: steepness of the surrogate gradient.

    Raises:
        UnsupportedError: a network that is no student's.
    """
    prepared = quantization.prepared
    made: dict[str, nn.Module] = {name: nn.Flatten() for name, n in prepared.nodes.items() if isinstance(n, Flatten)}
    for layer in quantization.layers:
        floating = collect_layer(prepared, layer.name)
        if layer.neuron.vth is not None:
            made[layer.name] = GridLIF(floating, layer, alpha)
            made |= {name: GridConv(name, floating, layer, weight_bits) for name in layer.synapses}
        else:
            made |= {name: GridClassifier(name, floating, layer, weight_bits) for name in layer.synapses}
    readout = prepared.sources(prepared.output)[0]
    around = {prepared.input, readout, prepared.output}
    strange = set(prepared.nodes) - set(made) - around
    if strange or quantization.layers[-1].name != readout:
        raise UnsupportedError(f"{sorted(strange) or readout}: only a student's own network can be fine-tuned")
    # The student gives logits; the readout that adds them up is deployment's.
    edges = tuple((a, "output" if b == readout else b) for a, b in prepared.edges if a != readout)
    return Student({name: made[name] for name in prepared.order if name in made}, edges)


def to_network(student: Student, quantization: Quantisation) -> Network:
    """The network on the grid that a grid student computes."""
    nodes = dict(quantization.network.nodes)
    for layer in quantization.layers:
        biased = student.nodes[layer.name if layer.neuron.vth is not None else next(iter(layer.synapses))]
        assert isinstance(biased, GridLIF | GridClassifier)
        bias = biased.rounded_bias().reshape(layer.neuron.bias.shape).cpu().numpy().astype(np.int32)
        nodes[layer.name] = replace(layer.neuron, bias=bias)
        for name, synapse in layer.synapses.items():
            module = student.nodes[name]
            assert isinstance(module, GridConv | GridClassifier)
            weight = module.rounded_weight().detach().cpu().numpy().astype(np.int32)
            nodes[name] = replace(synapse, weight=weight.reshape(synapse.weight.shape))
    network = quantization.network.replace(nodes=nodes)
    return network.replace(report=_report(network, quantization))


def _report(network: Network, quantization: Quantisation) -> tuple[ParameterChange, ...]:
    """What became of each parameter of the float student, training on the grid included."""
    report = {(change.node, change.parameter): change for change in quantization.network.report}
    for layer in quantization.layers:
        floating = collect_layer(quantization.prepared, layer.name)
        neuron = network.nodes[layer.name]
        assert isinstance(neuron, GridNeuron)
        now = {(layer.name, "bias"): (floating.bias, neuron.bias / (layer.scale * (1 << grid.STATE_BITS)))}
        for name, node in floating.synapses.items():
            synapse = network.nodes[name]
            assert isinstance(synapse, Conv | Dense)
            now[name, "weight"] = (node.weight, synapse.weight * 2.0**synapse.weight_exp / layer.scale)
        for key, (before, after) in now.items():
            report[key] = compare_parameter(*key, before, after, note="trained on the grid")
    return tuple(report.values())


class GridConv(nn.Conv2d):
    """Synaptic sums of a layer on the grid: integers, held by float32."""

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
        self._rounding = _Rounding(on_grid.weight_exp, layer.scale, weight_bits)
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(node.weight))

    def rounded_weight(self) -> Tensor:
        return self._rounding.weight(self.weight)

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._rounding.shifted(self._conv_forward(x, self.rounded_weight(), None))


class GridClassifier(nn.Linear):
    """The readout's input on the grid, per step, in the units of the float student's logits."""

    def __init__(self, name: str, floating: FloatLayer, layer: GridLayer, weight_bits: int) -> None:
        node, on_grid = floating.synapses[name], layer.synapses[name]
        if not isinstance(node, Dense) or not isinstance(on_grid, Dense):
            raise UnsupportedError(f"{name}: a student ends in a dense layer")
        super().__init__(node.weight.shape[1], node.weight.shape[0])
        self._rounding = _Rounding(on_grid.weight_exp, layer.scale, weight_bits)
        self._state = layer.scale * (1 << grid.STATE_BITS)
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(node.weight))
            self.bias.copy_(torch.from_numpy(np.broadcast_to(floating.bias, layer.neuron.shape).copy()))

    def rounded_weight(self) -> Tensor:
        return self._rounding.weight(self.weight)

    def rounded_bias(self) -> Tensor:
        return _round_bias(self.bias, self._state)

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        sums = self._rounding.shifted(F.linear(x, self.rounded_weight()))
        bias = _Through.apply(self.bias, self.rounded_bias() / self._state)
        return sums / (self._state / (1 << grid.STATE_BITS)) + bias


class GridLIF(LIF):
    """Neurons on the grid. `sequence` takes integer sums and gives spikes and the potential in float units."""

    dv: Tensor
    vth: Tensor

    def __init__(self, floating: FloatLayer, layer: GridLayer, alpha: float) -> None:
        neuron = layer.neuron
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
        return _round_bias(self.bias, self.scale * (1 << grid.STATE_BITS))

    def sequence(self, current: Tensor) -> tuple[Tensor, Tensor]:
        cells = _Cells(self.dv, self.vth, self.rounded_bias(), self.scale, self.beta, self.threshold, self.alpha)
        spikes, potential = _GridSteps.apply(current, self.bias, cells)  # type: ignore[misc]
        return spikes.to(current.dtype), potential


class _Cells(NamedTuple):
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


class _Rounding(NamedTuple):
    """How one synapse's float weights become integers and its sums are shifted."""

    exponent: int
    scale: float
    weight_bits: int

    def weight(self, weight: Tensor) -> Tensor:
        """The nearest weights on the grid; the gradient passes where they do not saturate."""
        low, high = float(weight.detach().min()), float(weight.detach().max())
        unit, step = self.scale / 2.0**self.exponent, grid.weight_step(low, high, self.weight_bits)
        inside = (weight * unit).clamp(*grid.weight_range(low, high, self.weight_bits))
        return _Through.apply(inside, (inside / step).round() * step)  # type: ignore[return-value]

    def shifted(self, sums: Tensor) -> Tensor:
        """Sums times 2^exponent, rounded down."""
        exact = sums * 2.0**self.exponent
        return exact if self.exponent >= 0 else _Through.apply(exact, exact.floor())  # type: ignore[return-value]


class _Through(torch.autograd.Function):
    """Gives `value`, bit for bit, and passes the gradient on to `x`."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, value: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return value.to(x.dtype)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return grad, None


def _round_bias(bias: Tensor, state: float) -> Tensor:
    """int64, as the chip holds it: mantissa << exponent."""
    mantissa, exponent = grid.split_bias(bias.detach().double().cpu().numpy() * state)
    return torch.from_numpy(mantissa << exponent).to(bias.device)
