"""What follows a convolution of the student, fused: batch norm, LIF and, where it comes next, average pooling."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ckd.events.types import Float
from ckd.models import block_kernels as kernels
from ckd.models.distributed import process_count
from ckd.models.input_kernels import Events, weight_gradient
from ckd.models.neuron import LIF
from ckd.models.precision import kernels_fit


def can_fuse(y: Tensor, norm: nn.Module, lif: nn.Module, pool: nn.Module | None) -> bool:
    """Whether `normed_spikes` computes what these modules do: on a CPU, in float32, and with no hook on any of them."""
    modules = [module for module in (norm, lif, pool) if module is not None]
    return (
        kernels_fit(y, *modules)
        and isinstance(norm, nn.BatchNorm2d)
        and norm.affine
        and norm.track_running_stats
        and norm.momentum is not None
        and (process_count() == 1 or not norm.training)
        and type(lif) is LIF
        and (pool is None or _halves(pool, y))
    )


def _halves(pool: nn.Module, y: Tensor) -> bool:
    settings = [getattr(pool, name, None) for name in ("kernel_size", "stride", "padding", "divisor_override")]
    return type(pool) is nn.AvgPool2d and settings == [2, 2, 0, None] and not (y.shape[2] % 2 or y.shape[3] % 2)


class Source(NamedTuple):
    """What a convolution was made of that gave y without a gradient: its weights get theirs from `normed_spikes`."""

    weight: Tensor
    events: Events


def normed_spikes(
    y: Tensor,
    norm: nn.Module,
    lif: nn.Module,
    steps: int,
    pooled: bool,
    potential: bool,
    source: Source | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Batch norm, LIF from rest and average pooling over 2 x 2, as those modules do one after the other.

    The running statistics are updated as `nn.BatchNorm2d` does. Results differ from those of the modules by the
    rounding of the statistics, which are summed in float64 here.

    Args:
        y: (T * N, C, H, W), what a convolution gave.
        norm: in training or evaluation.
        lif: its constants.
        steps: T.
        pooled: whether the pooling comes next.
        potential: whether the potential is asked for.
        source: where y comes from, if it has no gradient.

    Returns:
        spikes, averaged if `pooled`, (T * N, C, H', W'), and the potential before the reset (T, N, C, H, W) or None.
    """
    assert isinstance(norm, nn.BatchNorm2d) and isinstance(lif, LIF)
    assert norm.running_mean is not None and norm.running_var is not None
    if norm.training:
        mean, variance = kernels.statistics(_rows(y, steps))
        assert norm.momentum is not None and norm.num_batches_tracked is not None
        count = y.numel() // y.shape[1]
        with torch.no_grad():
            norm.num_batches_tracked += 1
            norm.running_mean.lerp_(torch.from_numpy(mean).float(), norm.momentum)
            norm.running_var.lerp_(torch.from_numpy(variance * (count / max(count - 1, 1))).float(), norm.momentum)
    else:
        mean, variance = (x.double().numpy() for x in (norm.running_mean, norm.running_var))
    inverse = 1 / np.sqrt(variance + norm.eps)
    beta, threshold, alpha = (np.float32(float(x)) for x in (lif.beta.clamp(0, 1), lif.threshold, lif.alpha))
    neurons = kernels.Neurons(beta, threshold, alpha, pooled)
    weight, events = (None, None) if source is None else source
    given = (mean, inverse, norm.training, neurons, steps, potential, events)
    out, kept = _NormedLIF.apply(y, norm.weight, norm.bias, weight, *given)  # type: ignore[misc]
    return out, kept


class _NormedLIF(torch.autograd.Function):
    """With g the gradient of the current (`ckd.models.neuron.FusedLIF`), m its mean and p that of g x, x the normed y:

    dy = w / sigma (g - m - p x) in training, w / sigma g in evaluation; dw = sum g x, db = sum g.
    """

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        y: Tensor,
        weight: Tensor,
        bias: Tensor,
        source: Tensor | None,
        mean: kernels.Float64,
        inverse: kernels.Float64,
        training: bool,
        neurons: kernels.Neurons,
        steps: int,
        potential: bool,
        events: Events | None,
    ) -> tuple[Tensor, Tensor | None]:
        ctx.set_materialize_grads(False)
        scale = weight.detach().double().numpy() * inverse
        shift = bias.detach().double().numpy() - mean * scale
        ctx.given, ctx.events = (mean, inverse, training, neurons, steps, scale, shift), events
        ctx.save_for_backward(y)
        out, kept = kernels.forward(_rows(y, steps), _single(scale), _single(shift), neurons, potential)
        return _images(out).flatten(0, 1), None if kept is None else _images(kept)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, ds: Tensor | None, dh: Tensor | None) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (y,) = ctx.saved_tensors
        mean, inverse, training, neurons, steps, scale, shift = ctx.given
        if ds is None:
            half = 2 if neurons.pooled else 1
            ds = y.new_zeros(y.shape[0], y.shape[1], y.shape[2] // half, y.shape[3] // half)
        assert isinstance(y, Tensor) and isinstance(ds, Tensor)
        rows, arriving = _rows(y, steps), _rows(ds, steps)
        direct = None if dh is None else _rows(dh.flatten(0, 1), steps)
        given = (rows, _single(scale), _single(shift), neurons, arriving, direct)
        total, product, met = kernels.sums(*given, ctx.events)
        of_x = inverse * (product - mean * total)
        factors = np.zeros((2, len(mean)))
        if training:
            count = y.numel() // y.shape[1]
            factors[0] = -scale * inverse * of_x / count
            factors[1] = -scale * total / count - factors[0] * mean
        dy = kernels.backward(*given, factors.astype(np.float32)) if ctx.needs_input_grad[0] else None
        gradients = (None if dy is None else _images(dy).flatten(0, 1), torch.from_numpy(of_x).float())
        of_weight = None
        if ctx.events is not None:
            of_weight = torch.from_numpy(weight_gradient(ctx.events, met, np.stack([scale, *factors])))
        return *gradients, torch.from_numpy(total).float(), of_weight, *(None,) * 7


def _rows(x: Tensor, steps: int) -> Float:
    """(T * N, C, H, W) as a contiguous (T, N, H, W, C) array, which it is already where the channels lie innermost."""
    return x.detach().permute(0, 2, 3, 1).contiguous().unflatten(0, (steps, -1)).numpy()


def _images(x: Float) -> Tensor:
    """(T, N, H, W, C) as (T, N, C, H, W), channels innermost in memory."""
    return torch.from_numpy(x).permute(0, 1, 4, 2, 3)


def _single(x: kernels.Float64) -> Float:
    return x.astype(np.float32)
