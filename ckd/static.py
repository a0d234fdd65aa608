"""What the static branch sees of a still: (M, C, h, w) images become (T, N, 2, H, W) input."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def value_channel(images: Tensor) -> Tensor:
    """HSV value of (N, C, h, w): the greatest of the colours, as (N, 1, h, w)."""
    return images.amax(1, keepdim=True)


def placed(images: Tensor, size: int) -> Tensor:
    """Images in the middle of a `size` x `size` field; larger ones are shrunk to it. (N, C, h, w) to (N, C, size, size)."""
    height, width = images.shape[-2:]
    if height > size or width > size:
        factor = size / max(height, width)
        shape = (max(1, round(height * factor)), max(1, round(width * factor)))
        images = F.interpolate(images, size=shape, mode="bilinear", antialias=True, align_corners=False)
        height, width = shape
    left, top = (size - width) // 2, (size - height) // 2
    return F.pad(images, (left, size - width - left, top, size - height - top))


def value_input(value: Tensor, steps: int) -> Tensor:
    """The value channel on both polarities at every step [KT]: (N, 1, H, W) to (T, N, 2, H, W)."""
    return value.expand(-1, 2, -1, -1).expand(steps, -1, -1, -1, -1)


def edge_input(value: Tensor, steps: int, generator: torch.Generator) -> Tensor:
    """Binary frames of a still that moves another way at every step: where its light would rise and where fall.

    Light changes by -grad I . d when a still moves along d, so a pixel whose |grad I . d| exceeds a threshold that is
    drawn per sample reports one polarity: 1 (rising) where dark ink leaves.

    Args:
        value: (N, 1, H, W) ink between 0 and 1.
        steps: T.
        generator: on the CPU, so that every device draws the same.
    """
    batch = len(value)
    angle = torch.rand(steps, batch, 1, 1, generator=generator) * 2 * math.pi
    threshold = 0.1 + 0.3 * torch.rand(1, batch, 1, 1, generator=generator)
    angle, threshold = angle.to(value.device), threshold.to(value.device)
    ink = F.pad(value[:, 0], (1, 1, 1, 1))
    dx = (ink[:, 1:-1, 2:] - ink[:, 1:-1, :-2]) / 2
    dy = (ink[:, 2:, 1:-1] - ink[:, :-2, 1:-1]) / 2
    # Ink falls at a pixel when the still moves towards where ink grows: light rises there.
    rise = angle.cos() * dx + angle.sin() * dy
    return torch.stack([rise < -threshold, rise > threshold], dim=2).to(value.dtype)
