"""In which precision sums and states are held."""

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """`x` as it is in float32 and float64, in float32 when mixed precision made it narrower."""
    return x if x.dtype == torch.float64 else x.float()
