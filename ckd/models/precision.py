"""In which precision sums and states are held."""

import torch
from torch import Tensor, nn


def at_least_float32(x: Tensor) -> Tensor:
    """`x` as it is in float32 and float64, in float32 when mixed precision made it narrower."""
    return x if x.dtype == torch.float64 else x.float()


def kernels_fit(x: Tensor, *modules: nn.Module) -> bool:
    """Whether compiled kernels may stand for these modules: x in float32 on a CPU, no mixed precision, no hook."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not any(module._forward_hooks or module._forward_pre_hooks for module in modules)
    )
