"""The spiking neuron: snnTorch's Leaky with a hard reset, and the same recurrence fused over all time steps.

h[t] = beta v[t-1] + I[t]        membrane potential before the reset
s[t] = h[t] > threshold          strict, as on Loihi
v[t] = h[t] (1 - s[t])           reset to zero within the step
"""

from collections.abc import Callable
from typing import Any

import torch
from snntorch import Leaky
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from ckd.events.types import Float
from ckd.models import kernels as lif_kernels
from ckd.models.precision import at_least_float32


class Piecewise(torch.autograd.Function):
    """Spike s = x > 0 with the piecewise (triangular) surrogate ds/dx = max(0, alpha - alpha^2 |x|).

    Its area is 1 for every alpha: a larger alpha is narrower and higher. He et al. (AAAI 2024) use alpha = 2.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, alpha: float) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(x)
        ctx.alpha = alpha  # pyright: ignore[reportAttributeAccessIssue]
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors  # pyright: ignore[reportAttributeAccessIssue]
        return grad * piecewise_slope(x, ctx.alpha), None  # pyright: ignore[reportAttributeAccessIssue]


def piecewise_slope(x: Tensor, alpha: float) -> Tensor:
    """max(0, alpha - alpha^2 |x|), elementwise."""
    return x.abs().mul_(-alpha * alpha).add_(alpha).clamp_(min=0)


class LIF(Leaky):
    """`snntorch.Leaky` with a reset to zero within the step, scalar `beta` and `threshold`.

    Called as snnTorch calls it, (current, state) -> (spikes, state), it takes one step. `sequence` takes all steps
    at once and gives the same spikes and the same gradients, the gradient through the reset included.
    """

    def __init__(self, *, beta: float = 0.5, threshold: float = 0.5, alpha: float = 2.0) -> None:
        with torch.device("cpu"):  # snnTorch asks its own numbers, which a student of shapes alone ("meta") has none of
            super().__init__(
                beta=beta,
                threshold=threshold,
                spike_grad=lambda x: Piecewise.apply(x, alpha),
                reset_mechanism="zero",
                reset_delay=False,
            )
        # snnTorch keeps every neuron ever made in a class-wide list; nobody here asks for it, and it never shrinks.
        Leaky.instances[:] = [neuron for neuron in Leaky.instances if neuron is not self]
        self.alpha = alpha

    def sequence(self, current: Tensor) -> tuple[Tensor, Tensor]:
        """All time steps from rest.

        Args:
            current: (T, ...) input current.

        Returns:
            spikes (T, ...) of 0 and 1 in the dtype of `current`, and the membrane potential before the reset
            (T, ...) in float32 or better: under mixed precision the state would lose spikes near the threshold.
        """
        spikes, potential = FusedLIF.apply(at_least_float32(current), self.beta, self.threshold, self.alpha)  # type: ignore[misc]
        return spikes.to(current.dtype), potential


class FusedLIF(torch.autograd.Function):
    """The recurrence over (T, ...) as one node of the autograd graph; only the potential is kept for the way back.

    With g the gradient of the potential before the reset, sigma' the surrogate slope:

        g[t] = ds[t] sigma'[t] + dh[t] + dv[t] (1 - s[t] - h[t] sigma'[t]),    dv[t-1] = beta g[t]
    """

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: FunctionCtx, current: Tensor, beta: Tensor, threshold: Tensor, alpha: float
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)  # pyright: ignore[reportAttributeAccessIssue]
        ctx.alpha = alpha  # pyright: ignore[reportAttributeAccessIssue]
        beta = beta.clamp(0, 1)
        step_through = _forward_cpu if _kernels_fit(current) else forward_torch
        spikes, potential = step_through(current, beta, threshold)
        ctx.save_for_backward(potential, beta, threshold)
        return spikes, potential

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: FunctionCtx, spikes_grad: Tensor | None, potential_grad: Tensor | None
    ) -> tuple[Tensor, None, None, None]:
        potential, beta, threshold = ctx.saved_tensors  # pyright: ignore[reportAttributeAccessIssue]
        alpha = ctx.alpha  # pyright: ignore[reportAttributeAccessIssue]
        grad = current_gradient(potential, spikes_grad, potential_grad, beta, threshold, alpha)
        return grad, None, None, None


def current_gradient(
    potential: Tensor,
    spikes_grad: Tensor | None,
    potential_grad: Tensor | None,
    beta: Tensor,
    threshold: Tensor,
    alpha: float,
) -> Tensor:
    """The gradient g (T, ...) with respect to the current; the formula is `FusedLIF`'s.

    Args:
        potential: h (T, ...), before the reset.
        spikes_grad: ds (T, ...), or None for zero.
        potential_grad: dh (T, ...), or None for zero.
        beta: share of the potential that a step keeps.
        threshold: of the spikes that `potential` gave.
        alpha: steepness of the piecewise surrogate.
    """
    if spikes_grad is None:
        spikes_grad = torch.zeros_like(potential)
    step_back = _backward_cpu if _kernels_fit(potential) else backward_torch
    return step_back(potential, spikes_grad, potential_grad, beta, threshold, alpha)


def _kernels_fit(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32


def forward_torch(current: Tensor, beta: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes and potential before the reset, (T, ...) each, on any device and in any precision."""
    potential, spikes = torch.empty_like(current), torch.empty_like(current)
    v = torch.zeros_like(current[0])
    for t in range(len(current)):
        h = torch.mul(v, beta, out=potential[t]).add_(current[t])
        fired = h > threshold
        spikes[t] = fired
        v = h.masked_fill(fired, 0)
    return spikes, potential


def backward_torch(
    potential: Tensor, spikes_grad: Tensor, potential_grad: Tensor | None, beta: Tensor, threshold: Tensor, alpha: float
) -> Tensor:
    """The gradient of `current_gradient` on any device and in any precision."""
    grad = torch.empty_like(potential)
    v_grad = torch.zeros_like(potential[0])
    for t in reversed(range(len(potential))):
        h = potential[t]
        over = h - threshold
        slope = piecewise_slope(over, alpha)
        through_reset = torch.addcmul((over <= 0).to(h.dtype), h, slope, value=-1)
        g = torch.mul(spikes_grad[t], slope, out=grad[t]).addcmul_(v_grad, through_reset)
        if potential_grad is not None:
            g.add_(potential_grad[t])
        v_grad = g * beta
    return grad


def _forward_cpu(current: Tensor, beta: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
    rows, restore = _as_rows(current)
    spikes, potential = lif_kernels.forward(rows, float(beta), float(threshold))
    return restore(spikes), restore(potential)


def _backward_cpu(
    potential: Tensor, spikes_grad: Tensor, potential_grad: Tensor | None, beta: Tensor, threshold: Tensor, alpha: float
) -> Tensor:
    rows, restore = _as_rows(potential)
    direct = None if potential_grad is None else _as_rows(potential_grad, like=potential)[0]
    ds = _as_rows(spikes_grad, like=potential)[0]
    return restore(lif_kernels.backward(rows, ds, direct, float(beta), float(threshold), alpha))


def _as_rows(x: Tensor, *, like: Tensor | None = None) -> tuple[Float, Callable[[Any], Tensor]]:
    """(T, ...) as a contiguous (T, M) array, in the memory order of `like` (or its own), and the way back."""
    like = x if like is None else like
    # Channels-last tensors stay as they are: their dimensions in order of stride are contiguous.
    order = sorted(range(1, like.ndim), key=lambda axis: -like.stride(axis))
    permuted = x.detach().permute(0, *order).contiguous()
    back = [0, *(order.index(axis) + 1 for axis in range(1, like.ndim))]

    def restore(rows: Float) -> Tensor:
        return torch.from_numpy(rows).view(permuted.shape).permute(back)

    return permuted.view(len(x), -1).numpy(), restore
