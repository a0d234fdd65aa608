"""What several processes must share inside a network so that they train as one would on the whole batch."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ckd.models.precision import at_least_float32


def process_count() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def local_share(tensor: Tensor, *, dim: int) -> Tensor:
    """This process's part of the global batch."""
    if process_count() == 1:
        return tensor
    return tensor.chunk(process_count(), dim=dim)[dist.get_rank()]


def gathered(features: Tensor) -> Tensor:
    """(T, N, F) of this process to the global batch's (T, N * processes, F); gradients flow back to every process."""
    if process_count() == 1:
        return features
    return _summed(torch.cat([features * (rank == dist.get_rank()) for rank in range(process_count())], dim=1))


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes, and of the gradients that come back to it."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        tensor = tensor.contiguous().clone()
        dist.all_reduce(tensor)
        return tensor

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradients[0])


def _summed(tensor: Tensor) -> Tensor:
    total = _Sum.apply(tensor)
    assert isinstance(total, Tensor)
    return total


def batch_norms(network: nn.Module) -> list[nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d]:
    """Every batch norm in a network, of whatever kind."""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    return [module for module in network.modules() if isinstance(module, kinds)]


class BatchNorm(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose batch is the global one. torch's SyncBatchNorm runs on GPUs alone; this on gloo too."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or process_count() == 1:
            return super().forward(input)
        x = at_least_float32(input)
        axes = (0, 2, 3)
        count = x.numel() / x.shape[1] * process_count()
        mean = _summed(x.sum(axes)) / count
        centered = x - mean[:, None, None]
        variance = _summed(centered.square().sum(axes)) / count
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scaled = centered * (variance + self.eps).rsqrt()[:, None, None]
        return (scaled * self.weight[:, None, None] + self.bias[:, None, None]).to(input.dtype)
