"""Contrastive pre-training: the views of a recording without its label, and the loss that they learn by.

Sources: [SimCLR] Chen et al., ICML 2020, arXiv 2002.05709; with spikes [SpikeCLR] Vaillant et al., arXiv 2603.16338,
which averages projections over the steps and divides by a temperature of 0.2, as here.
"""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ckd.config import Augment, Config
from ckd.data.stored import AnyFrames
from ckd.errors import DatasetError
from ckd.method.augment import draw_geometry, drop_events, jitter_time, move_frames

TEMPERATURE = 0.2
VIEWS = Augment(rotate=20, scale=0.3, drop_events=0.5, time_jitter=0.3)
"""How far views differ: more than batches with labels do, or they are told apart too easily."""
ROLL = 1 / 8
"""Greatest shift of a view, as a share of its size."""


def nt_xent(projections: Tensor, *, temperature: float = TEMPERATURE) -> Tensor:
    """Normalized temperature-scaled cross-entropy: which of the others is the other view of the same thing? [SimCLR]

        L = mean_i -ln( exp(s_ij / tau) / sum_{k != i} exp(s_ik / tau) ),  j the partner of i,  s the cosine

    Args:
        projections: (2 N, D), the two views of a recording next to each other, N at least 2.
        temperature: tau.
    """
    unit = F.normalize(projections, dim=1)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    alike = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)
    return F.cross_entropy(alike, torch.arange(len(unit), device=unit.device) ^ 1)


def draw_views(frames: AnyFrames, config: Config, iteration: int, *, device: torch.device) -> Tensor:
    """Two views of each recording of a batch; they depend on the seed and the iteration alone.

    Args:
        frames: (R, T, 2, H, W) of the recordings without labels.
        config: says how many (`batch`), and whether a mirrored recording is still of its class (`flip`).
        iteration: of the pre-training.
        device: where the views go.

    Returns:
        (T, 2 N, 2, H, W) float, the two views of a recording next to each other. No recording is drawn twice: it would
        count as another thing than itself.

    Raises:
        DatasetError: fewer recordings than a batch.
    """
    wanted, size = config.training.batch, frames.shape[-1]
    if len(frames) < wanted:
        raise DatasetError(
            f"--contrastive {config.method.contrastive}: the split leaves {len(frames)} recordings over, fewer "
            f"than --batch (={wanted}); lower --batch or --labels-per-class, or leave --contrastive out"
        )
    rng = np.random.default_rng((config.seed, 13, iteration))
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
    rows = np.repeat(rng.choice(len(frames), size=wanted, replace=False), 2)
    views = torch.from_numpy(frames[rows]).to(device).transpose(0, 1).float()
    augment = replace(VIEWS, roll=round(ROLL * size), flip=config.augment.flip)
    views = move_frames(views, draw_geometry(len(rows), augment, size, generator))
    return drop_events(jitter_time(views, augment.time_jitter, generator), augment.drop_events, generator)
