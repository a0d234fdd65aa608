"""The fused neuron on a GPU: one Triton kernel forward and one backward, nothing kept but the current.

The arithmetic is `ckd.models.neuron`'s, a rounding each; potentials are made again on the way back, in the memory that
the gradient will take. The current may be bfloat16: the state is float32 in any case.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 1024
"""Neurons that a program takes through all steps."""


@triton.jit
def _forward(
    current,
    spikes,
    potential,
    steps,
    size,
    beta,
    threshold,
    SOFT: tl.constexpr,
    KEEP: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """KEEP: whether the potential before the reset is written."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = place < size
    at = place
    v = tl.zeros((BLOCK,), tl.float32)
    for _ in range(steps):
        h = beta * v + tl.load(current + at, mask=there, other=0.0).to(tl.float32)
        fired = h > threshold
        tl.store(spikes + at, tl.where(fired, 1.0, 0.0).to(spikes.dtype.element_ty), mask=there)
        if KEEP:
            tl.store(potential + at, h, mask=there)
        v = tl.where(fired, h - threshold, h) if SOFT else tl.where(fired, 0.0, h)
        at += size


@triton.jit
def _backward(
    current,
    spikes_grad,
    potential_grad,
    grad,
    steps,
    size,
    beta,
    threshold,
    alpha,
    squared,
    SOFT: tl.constexpr,
    DIRECT: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """DIRECT: whether there is a gradient of the potential. grad holds the potential on the way there."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = place < size
    at = place
    v = tl.zeros((BLOCK,), tl.float32)
    for _ in range(steps):
        h = beta * v + tl.load(current + at, mask=there, other=0.0).to(tl.float32)
        tl.store(grad + at, h, mask=there)
        v = tl.where(h > threshold, h - threshold, h) if SOFT else tl.where(h > threshold, 0.0, h)
        at += size
    v_grad = tl.zeros((BLOCK,), tl.float32)
    for _ in range(steps):
        at -= size
        h = tl.load(grad + at, mask=there, other=0.0)
        over = h - threshold
        slope = tl.maximum(alpha - squared * tl.abs(over), 0.0)
        through_reset = 1.0 - threshold * slope if SOFT else tl.where(over > 0, 0.0, 1.0) - h * slope
        g = tl.load(spikes_grad + at, mask=there, other=0.0).to(tl.float32) * slope + v_grad * through_reset
        if DIRECT:
            g += tl.load(potential_grad + at, mask=there, other=0.0).to(tl.float32)
        tl.store(grad + at, g, mask=there)
        v_grad = beta * g


class TritonLIF(torch.autograd.Function):
    """Spikes (T, ...) in the type of the current, and the potential before the reset in float32, or None.

    Called as apply(current, beta, threshold, alpha, soft, keep): constants are plain numbers; `soft` takes the
    threshold off instead of setting to zero; `keep` asks for the potential.
    """

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, current: Tensor, beta: float, threshold: float, alpha: float, soft: bool, keep: bool
    ) -> tuple[Tensor, Tensor | None]:
        ctx.set_materialize_grads(False)
        rows = current.contiguous()
        spikes = torch.empty_like(rows)
        potential = torch.empty(rows.shape if keep else (0,), dtype=torch.float32, device=rows.device)
        ctx.save_for_backward(rows)
        ctx.constants = (beta, threshold, alpha, soft)
        size = rows[0].numel()
        # Torch does not fuse a product with a sum: without this, spikes at the threshold would differ.
        _forward[_programs(size)](
            rows, spikes, potential, len(rows), size, beta, threshold, soft, keep, BLOCK, enable_fp_fusion=False
        )
        return spikes, potential if keep else None

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, spikes_grad: Tensor | None, potential_grad: Tensor | None) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (current,) = ctx.saved_tensors
        beta, threshold, alpha, soft = ctx.constants
        ds = torch.zeros_like(current) if spikes_grad is None else spikes_grad.contiguous()
        dh = ds[:0] if potential_grad is None else potential_grad.contiguous()
        grad = torch.empty_like(current, dtype=torch.float32)
        size, direct = current[0].numel(), potential_grad is not None
        constants = (len(current), size, beta, threshold, alpha, alpha * alpha)
        _backward[_programs(size)](current, ds, dh, grad, *constants, soft, direct, BLOCK, enable_fp_fusion=False)
        return grad.to(current.dtype), *(None,) * 5


def _programs(size: int) -> tuple[int]:
    return (triton.cdiv(size, BLOCK),)
