"""What the static branch sees of a still: (M, C, h, w) images become (T, N, 2, H, W) input."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

WANDER = 3.0
"""How far from its middle a still wanders, in pixels, where its moving edges are seen."""
REST = 0.2
"""Chance that it does not move in a step."""
NOISE = 0.02
"""Greatest share of pixels that report without cause in a step."""
I2E_SHARE = 0.12
"""Of a still's contrast, what a difference has to reach for an event."""
I2E_MOVES = (
    ((5, 6), (1, 2), (2, 3), (4, 5), (7, 8), (8, 9)),
    ((5, 2), (4, 1), (6, 3), (7, 4), (8, 5), (9, 6)),
    ((5, 3), (4, 2), (7, 5), (8, 6)),
    ((5, 1), (6, 2), (8, 4), (9, 5)),
    ((9, 4), (6, 1)),
    ((4, 3), (7, 6)),
    ((3, 8), (2, 7)),
    ((8, 1), (9, 2)),
)
"""By direction, from which to which place of a window of 3 x 3, counted by rows from 1: the authors' code."""
I2E_ORDER = (4, 5, 6, 7, 0, 1, 2, 3)
"""Which direction the steps have, one after the other."""
SUBSTEPS = 3
"""Moves within a step; together they smear an edge as a moving one smears a frame."""


def value_channel(images: Tensor) -> Tensor:
    """HSV value of (N, C, h, w): the greatest of the colors, as (N, 1, h, w)."""
    return images.amax(1, keepdim=True)


def placed(images: Tensor, size: int) -> Tensor:
    """(N, C, h, w) images in the middle of a `size` x `size` field; larger ones are shrunk to it."""
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


def edge_input(darkness: Tensor, steps: int, generator: torch.Generator) -> Tensor:
    """Binary frames of a still that wanders over the field: in every step, where its light rose and where it fell.

    The still moves from one random place to the next, in a straight line a step, `SUBSTEPS` moves each. A pixel reports
    a move that changes its light by more than a threshold, drawn a sample. No pixel remembers anything and nothing is
    fitted to a camera: this knows only that events are moving edges.

    Args:
        darkness: (N, 1, H, W), 0 white and 1 black; beyond its border it goes on as at the border.
        steps: T.
        generator: on the CPU, so that every device draws the same.

    Returns:
        (T, N, 2, H, W), channel 0 where light fell, 1 where it rose.
    """
    batch, _, height, width = darkness.shape
    threshold = (0.03 + 0.15 * torch.rand(batch, 1, 1, 1, 1, generator=generator)).to(darkness.device)
    places = WANDER * (2 * torch.rand(steps + 1, batch, 2, generator=generator) - 1)
    part = torch.arange(SUBSTEPS + 1) / SUBSTEPS
    # A still rests now and then: it stays where the step before left it.
    for step in range(1, steps + 1):
        rests = torch.rand(batch, 1, generator=generator) < REST
        places[step] = torch.where(rests, places[step - 1], places[step])
    path = places[:-1, None] + part[:, None, None] * (places[1:] - places[:-1])[:, None]
    moments = steps * (SUBSTEPS + 1)
    shift = path.reshape(moments, batch, 2) * 2 / torch.tensor([width, height])
    geometry = torch.eye(2, 3).repeat(moments, batch, 1, 1)
    geometry[..., 2] = shift
    grid = F.affine_grid(geometry.flatten(0, 1).to(darkness), [moments * batch, 1, height, width], align_corners=False)
    seen = F.grid_sample(darkness.repeat(moments, 1, 1, 1), grid, padding_mode="border", align_corners=False)
    seen = seen.view(steps, SUBSTEPS + 1, batch, height, width).transpose(1, 2)
    darker = seen[:, :, 1:] - seen[:, :, :-1]
    fell, rose = (darker > threshold[:, 0]).any(2), (-darker > threshold[:, 0]).any(2)
    noise = NOISE * torch.rand(batch, 1, 1, 1, generator=generator)
    noisy = torch.rand(steps, batch, 2, height, width, generator=generator) < noise
    return (torch.stack([fell, rose], dim=2) | noisy.to(darkness.device)).to(darkness.dtype)


def i2e_input(darkness: Tensor, steps: int, generator: torch.Generator) -> Tensor:
    """Binary frames of a still that jumps by a pixel or two, in another direction at every step.

    In a step, light rises where V(to) - V(from) >= 0.12 (max V - min V), and falls where it is <= - that; from and to
    are two places of the window around the pixel, drawn among those of the step's direction. Ma et al., "I2E: Real-Time
    Image-to-Event Conversion for High-Performance Spiking Neural Networks", AAAI 2026, arXiv 2511.08065, and its
    authors' code, Ruichen0424/I2E. There T is 8; beyond 8 steps the directions come again. An even still gives nothing.

    Args:
        darkness: (N, 1, H, W), 0 white and 1 black; beyond its border it goes on as at the border.
        steps: T.
        generator: draws the places, the same for all samples of a batch.

    Returns:
        (T, N, 2, H, W), channel 0 where light fell, 1 where it rose.
    """
    height, width = darkness.shape[-2:]
    light = F.pad(1 - darkness, (1, 1, 1, 1), mode="replicate")[:, 0]
    contrast = light.amax((1, 2), keepdim=True) - light.amin((1, 2), keepdim=True)
    least = (I2E_SHARE * contrast).clamp(min=torch.finfo(light.dtype).tiny)
    frames = []
    for step in range(steps):
        moves = I2E_MOVES[I2E_ORDER[step % len(I2E_ORDER)]]
        drawn = moves[int(torch.randint(len(moves), (), generator=generator))]
        before, after = (light[:, y : y + height, x : x + width] for y, x in (divmod(place - 1, 3) for place in drawn))
        frames.append(torch.stack([before - after >= least, after - before >= least], dim=1))
    return torch.stack(frames).to(darkness.dtype)


MOVES: dict[str, Callable[[Tensor, int, torch.Generator], Tensor]] = {"edges": edge_input, "i2e": i2e_input}
"""What makes frames of a still's darkness (N, 1, H, W), by `static_input`."""
