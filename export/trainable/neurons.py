"""Float neurons as snnTorch's: its own `Leaky` and `Synaptic` where they do the same, else subclasses that do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from snntorch import Leaky, SpikingNeuron, Synaptic
from torch import Tensor, nn

from ckd.models.neuron import Piecewise
from deploy.network import Array, FloatNeuron

Cells = Leaky | Synaptic


@dataclass(frozen=True)
class Surrogate:
    """The piecewise surrogate of `ckd.models.neuron` with a fixed steepness, as snnTorch calls one."""

    alpha: float

    def __call__(self, x: Tensor) -> Tensor:
        return Piecewise.apply(x, self.alpha)  # type: ignore[return-value]


def surrogate_width(distance: Array | None) -> float:
    """How far from the threshold a surrogate reaches: as far as rest is, so that every layer learns whatever its units.

    For the students of `ckd` (threshold 0.5, rest 0) that is alpha = 2, as in He et al. (AAAI 2024).

    Args:
        distance: from rest to threshold, one value or one a neuron; None of a readout.
    """
    width = 1.0 if distance is None else float(np.abs(distance).mean())
    return width if width > 0 else 1.0


def to_cells(node: FloatNeuron, *, learn_decays: bool) -> Cells:
    """The snnTorch neuron that takes the steps of a `FloatNeuron`, in the order of its float operations.

    Args:
        node: of that type exactly.
        learn_decays: whether decays are parameters, of neurons that leak.
    """
    distance = None if node.threshold is None else node.threshold - node.rest_potential
    options: dict[str, Any] = {
        "beta": _tensor(node.keep),
        "threshold": torch.tensor(torch.inf) if node.threshold is None else _tensor(node.threshold),
        "spike_grad": Surrogate(1 / surrogate_width(distance)),
        "learn_beta": learn_decays and _leaks(node.keep),
        "reset_mechanism": node.reset_mechanism,
        "reset_delay": node.reset_delay,
    }
    stock = node.threshold is not None and _is_stock(node, node.threshold)
    if node.current_keep is not None:
        options |= {"alpha": _tensor(node.current_keep), "learn_alpha": learn_decays and _leaks(node.current_keep)}
        cells = Synaptic(**options) if stock else FullSynaptic(node, **options)
    else:
        cells = Leaky(**options) if stock else FullLeaky(node, **options)
    # snnTorch keeps every neuron ever made in a class-wide list, which never shrinks.
    SpikingNeuron.instances[:] = [other for other in SpikingNeuron.instances if other is not cells]
    return cells


def forget(cells: Cells) -> None:
    """Drop the last state, which snnTorch keeps in the module, and the graph of gradients with it."""
    cells.mem = cells.mem.detach().new_zeros(0)
    if isinstance(cells, Synaptic):
        cells.syn = cells.syn.detach().new_zeros(0)


class _Full(nn.Module):
    """What a `FloatNeuron` has and snnTorch's neurons have no place for: a gain, a bias, any reset value, readouts.

    A soft reset takes off once what a spike is due; snnTorch 1.0.0 without delay gives it back where the potential
    that is left still lies above the threshold.
    """

    gain: Tensor
    bias: Tensor
    beta: Tensor
    after_spike: Tensor
    is_readout: bool
    mechanism: str
    reset_delay: bool
    fire: Callable[[Tensor], Tensor]
    mem_reset: Callable[[Tensor], Tensor]

    def complete(self, node: FloatNeuron) -> None:
        """Take what the node has beside a `beta` and a threshold. A bias that is there learns."""
        self.is_readout, self.mechanism = node.is_readout, node.reset_mechanism
        self.register_buffer("gain", _tensor(node.gain))
        self.register_buffer("after_spike", _tensor(node.after_spike))
        if np.any(node.bias != 0):
            self.bias = nn.Parameter(_tensor(node.bias))
        else:
            self.register_buffer("bias", _tensor(node.bias))

    def advance(self, current: Tensor, mem: Tensor) -> tuple[Tensor, Tensor]:
        """The potential's part of a step: `FloatNeuron.driven`, resets and spikes, sums in the same order."""
        driven = _within(self.beta) * mem + self.gain * current + self.bias
        if self.is_readout:
            return driven, driven
        if self.reset_delay:
            driven = self._after(driven, self.mem_reset(mem))
        spikes = self.fire(driven)
        return spikes, driven if self.reset_delay else self._after(driven, spikes)

    def _after(self, mem: Tensor, spikes: Tensor) -> Tensor:
        # Products with 0 and 1, exact in floats, let the gradient pass through the reset as snnTorch does.
        match self.mechanism:
            case "zero":
                return mem * (1 - spikes) + self.after_spike * spikes
            case "subtract":
                return mem - spikes * self.after_spike
            case _:
                return mem


class FullLeaky(Leaky, _Full):
    """`snntorch.Leaky`, completed."""

    def __init__(self, node: FloatNeuron, **options: Any) -> None:
        super().__init__(**options)
        self.complete(node)

    def forward(self, input_: Tensor, mem: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One step of (N, ...); gives spikes, of a readout the potential, and the potential."""
        return self.advance(input_, torch.zeros_like(input_) if mem is None else mem)


class FullSynaptic(Synaptic, _Full):
    """`snntorch.Synaptic`, completed; its current has a gain too."""

    current_gain: Tensor

    def __init__(self, node: FloatNeuron, **options: Any) -> None:
        super().__init__(**options)
        self.complete(node)
        self.register_buffer("current_gain", _tensor(node.input_gain))

    def forward(
        self, input_: Tensor, syn: Tensor | None = None, mem: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step of (N, ...); gives spikes, of a readout the potential, then current and potential."""
        syn, mem = (torch.zeros_like(input_) if state is None else state for state in (syn, mem))
        syn = _within(self.alpha) * syn + self.current_gain * input_
        output, mem = self.advance(syn, mem)
        return output, syn, mem


def _within(decay: Tensor) -> Tensor:
    """A decay that learns stays one, as in snnTorch."""
    return decay.clamp(0, 1) if decay.requires_grad else decay


def _is_stock(node: FloatNeuron, threshold: Array) -> bool:
    """Whether snnTorch's own neuron takes the very same steps.

    Its delayed hard reset keeps the input of `Leaky` and loses that of `Synaptic`; ours loses it. Its soft reset
    without delay is another (see `_Full`).
    """
    match node.reset_mechanism, node.reset_delay:
        case "none", _:
            same_reset = True
        case "zero", late:
            # At rest snnTorch asks whether 0 lies above the threshold, and would reset.
            same_reset = not np.any(node.reset) and np.all(threshold >= 0) and (node.has_current or not late)
        case _, late:
            same_reset = late and np.array_equal(node.reset, threshold)
    decays = [node.keep] if node.current_keep is None else [node.keep, node.current_keep]
    unit = np.all(node.gain == 1) and np.all(node.input_gain == 1) and not np.any(node.bias)
    return bool(same_reset and unit and all(np.all((decay >= 0) & (decay <= 1)) for decay in decays))


def _leaks(decay: Array) -> bool:
    """An integrator stays one, and what is forgotten at once stays so."""
    return bool(np.all((decay > 0) & (decay < 1)))


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.array(values, np.float32))
