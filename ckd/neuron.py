"""The spiking neuron: snnTorch's Leaky with a hard reset, and the same recurrence fused over all time steps.

h[t] = beta v[t-1] + I[t]        membrane potential before the reset
s[t] = h[t] > threshold          strict, as on Loihi
v[t] = h[t] (1 - s[t])           reset to zero within the step
"""

import torch
from snntorch import Leaky
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable


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
            (T, ...) in float32: under mixed precision the state would lose spikes near the threshold.
        """
        spikes, potential = FusedLIF.apply(current.float(), self.beta, self.threshold, self.alpha)  # type: ignore[misc]
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
        beta = beta.clamp(0, 1)
        potential = torch.empty_like(current)
        spikes = torch.empty_like(current)
        v = torch.zeros_like(current[0])
        for t in range(len(current)):
            h = torch.mul(v, beta, out=potential[t]).add_(current[t])
            fired = h > threshold
            spikes[t] = fired
            v = h.masked_fill(fired, 0)
        ctx.save_for_backward(potential, beta, threshold)
        ctx.alpha = alpha  # pyright: ignore[reportAttributeAccessIssue]
        return spikes, potential

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: FunctionCtx, spikes_grad: Tensor, potential_grad: Tensor
    ) -> tuple[Tensor, None, None, None]:
        potential, beta, threshold = ctx.saved_tensors  # pyright: ignore[reportAttributeAccessIssue]
        grad = torch.empty_like(potential)
        v_grad = torch.zeros_like(potential[0])
        for t in reversed(range(len(potential))):
            h = potential[t]
            over = h - threshold
            slope = piecewise_slope(over, ctx.alpha)  # pyright: ignore[reportAttributeAccessIssue]
            through_reset = torch.addcmul((over <= 0).to(h.dtype), h, slope, value=-1)
            g = torch.mul(spikes_grad[t], slope, out=grad[t])
            g.add_(potential_grad[t]).addcmul_(v_grad, through_reset)
            v_grad = g * beta
        return grad, None, None, None
