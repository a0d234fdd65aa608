"""What varies from batch to batch. Every draw comes from a CPU generator, so that all devices see the same batch."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ckd.config import Augment


def draw_geometry(batch: int, config: Augment, size: int, generator: torch.Generator) -> Tensor:
    """One affine map a sample, output pixel to input pixel in `affine_grid`'s units: (N, 2, 3)."""
    u = 2 * torch.rand(batch, 5, generator=generator) - 1
    angle = u[:, 0] * math.radians(config.rotate)
    scale = 1 + u[:, 1] * config.scale
    mirror = torch.where(u[:, 2] > 0, -1.0, 1.0) if config.flip else torch.ones(batch)
    # Whole pixels: a shifted binary frame is then the same frame, not a resampled one.
    shift = (u[:, 3:] * (config.roll + 0.5)).round().clamp(-config.roll, config.roll) * 2 / size
    cos, sin = angle.cos() / scale, angle.sin() / scale
    rows = torch.stack([mirror * cos, -sin, shift[:, 0], mirror * sin, cos, shift[:, 1]], dim=1)
    return rows.view(batch, 2, 3)


def move(images: Tensor, geometry: Tensor, *, smooth: bool = False) -> Tensor:
    """Apply one affine map a sample to (N, C, H, W), zeros entering; `smooth` interpolates, else the nearest pixel."""
    grid = F.affine_grid(geometry.to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear" if smooth else "nearest", align_corners=False)


def move_frames(frames: Tensor, geometry: Tensor) -> Tensor:
    """The same for all steps of (T, N, C, H, W)."""
    steps, batch, channels, height, width = frames.shape
    folded = frames.transpose(0, 1).reshape(batch, steps * channels, height, width)
    return move(folded, geometry).view(batch, steps, channels, height, width).transpose(0, 1)


def drop_events(frames: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """Leave out a share of every sample's events, the share drawn between 0 and `most`. (T, N, C, H, W)."""
    share = most * torch.rand(1, frames.shape[1], 1, 1, 1, generator=generator)
    kept = torch.rand(frames.shape, generator=generator) >= share
    return frames * kept.to(frames)


def jitter_time(frames: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """Move a pixel's events of a step to the step after or before with this chance. (T, N, C, H, W)."""
    draw = torch.rand(frames.shape, generator=generator).to(frames.device)
    later, earlier = draw < chance / 2, draw > 1 - chance / 2
    result = frames * ~(later | earlier)
    result[1:] = torch.maximum(result[1:], (frames * later)[:-1])
    result[:-1] = torch.maximum(result[:-1], (frames * earlier)[1:])
    return result


def mix_events(frames: Tensor, chance: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """EventMix (Shen et al. 2023) with a rectangle over all time: part of a sample comes from another of the batch.

    Returns:
        frames (T, N, C, H, W), the partner of each sample (N,), and the share that stayed its own (N,).
    """
    _, batch, _, height, width = frames.shape
    partner = torch.randperm(batch, generator=generator)
    u = torch.rand(batch, 4, generator=generator)
    side = (1 - u[:, 0]).sqrt() * (u[:, 3] < chance)
    center_y, center_x = u[:, 1] * height, u[:, 2] * width
    rows, columns = torch.arange(height), torch.arange(width)
    inside_y = (rows + 0.5 - center_y[:, None]).abs() < side[:, None] * height / 2
    inside_x = (columns + 0.5 - center_x[:, None]).abs() < side[:, None] * width / 2
    inside = inside_y[:, :, None] & inside_x[:, None, :]
    own = 1 - inside.float().mean((1, 2))
    mixed = torch.where(inside[None, :, None].to(frames.device), frames[:, partner.to(frames.device)], frames)
    return mixed, partner, own
