"""What a layer of another library's neurons computes, in the words of `FloatNeuron`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deploy.network import Array, FloatNeuron, ResetMechanism, Shape
from export.modules.refusal import ModuleRefusedError


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Neurons of one layer; each parameter is a number or broadcasts against the layer's shape.

        u = current_keep * u + current_gain * x         current_keep None: u = x
        v = leak + keep * (v - leak) + gain * u
        spike = v > threshold (at_threshold: v >= threshold), then v = reset, or v - threshold

    threshold None: never spikes, its output is v. start: v before the first step. reset_by: what a soft reset takes off
    where it is not the threshold. dt: the step in seconds that its constants stand for, where the library says one.
    """

    keep: Any
    gain: Any = 1.0
    threshold: Any = None
    reset: Any = 0.0
    leak: Any = 0.0
    start: Any = 0.0
    current_keep: Any = None
    current_gain: Any = 1.0
    at_threshold: bool = False
    reset_by: Any = None
    reset_mechanism: ResetMechanism = "zero"
    reset_delay: bool = False
    dt: float | None = None

    @property
    def spikes(self) -> bool:
        return self.threshold is not None

    def node(self, shape: Shape) -> FloatNeuron:
        """The same as a node, whose potential is counted from where the neurons start.

        v >= t is v > the float32 below t.

        Raises:
            ModuleRefusedError: a parameter that does not fit the layer's shape.
        """
        keep, start, leak = (_wide(value) for value in (self.keep, self.start, self.leak))
        softly = self.reset_mechanism == "subtract"
        threshold = None
        if self.threshold is not None:
            threshold = np.asarray(_wide(self.threshold) - start, np.float32)
            if self.at_threshold:
                threshold = np.nextafter(threshold, np.float32(-np.inf))
        taken = self.threshold if self.reset_by is None else self.reset_by
        reset = _wide(taken) if softly and taken is not None else _wide(self.reset) - start
        return FloatNeuron(
            shape=shape,
            keep=_fitted("leak", keep, shape),
            gain=_fitted("gain", self.gain, shape),
            bias=_fitted("rest", (1 - keep) * (leak - start), shape),
            threshold=None if threshold is None else _fitted("threshold", threshold, shape),
            reset=_fitted("reset", reset, shape),
            current_keep=None if self.current_keep is None else _fitted("current decay", self.current_keep, shape),
            current_gain=None if self.current_keep is None else _fitted("current gain", self.current_gain, shape),
            reset_mechanism=self.reset_mechanism if self.spikes else "zero",
            reset_delay=self.reset_delay and self.spikes,
        )


def fires_at_threshold(step: Callable[[Tensor], Tensor]) -> bool:
    """Whether a library's function of v - threshold spikes at 0 itself.

    Raises:
        ModuleRefusedError: it gives something else than spikes.
    """
    with torch.no_grad():
        given = step(torch.tensor([-1.0, -1e-6, 0.0, 1e-6, 1.0])).tolist()
    if given not in ([0, 0, 0, 1, 1], [0, 0, 1, 1, 1]):
        raise ModuleRefusedError(f"its spike function gives {given} around the threshold, where spikes are 0 or 1")
    return given[2] == 1


def _wide(value: Any) -> Array:
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    return np.asarray(value, np.float64)


def _fitted(what: str, value: Any, shape: Shape) -> Array:
    """float32 of one number, or of a shape that broadcasts against the layer's; an axis for the batch is left out."""
    values = np.asarray(_wide(value), np.float32)
    while values.ndim > len(shape) and values.shape[0] == 1:
        values = values[0]
    if values.size == 1 or np.all(values == values.flat[0]):
        return np.asarray(values.flat[0])
    if values.ndim > len(shape) or any(n not in (1, m) for n, m in zip(values.shape[::-1], shape[::-1], strict=False)):
        raise ModuleRefusedError(f"its {what} of shape {values.shape} does not fit neurons of {shape}")
    return values
