"""Training a teacher on stills, and how good it is."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from ckd.config import Config
from ckd.data.base import Stills
from ckd.method.augment import draw_geometry, move
from ckd.method.schedule import learning_rate
from ckd.method.static import placed


def train_teacher(
    teacher: nn.Module, stills: Stills, config: Config, device: torch.device, advance: Callable[[], None]
) -> nn.Module:
    """Train on stills with the run's geometric augmentation; returns the teacher in eval mode.

    Args:
        teacher: from `build_teacher`, changed in place.
        stills: training stills alone: none that a validation or test recording films.
        config: its `teacher` group holds the budget.
        device: where to train.
        advance: called after every iteration.
    """
    plan = config.teacher
    size = config.data.size
    # Convolutions on a CPU are about a third faster when the channels lie innermost.
    teacher.to(device=device, memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue]
    optimiser = torch.optim.AdamW(teacher.parameters(), lr=plan.teacher_lr, weight_decay=0.01)
    images, labels = torch.from_numpy(stills.images), torch.from_numpy(stills.labels)
    generator = torch.Generator().manual_seed(config.seed * 2 + 1)
    for step in range(plan.teacher_iterations):
        rows = torch.randint(len(images), (plan.teacher_batch,), generator=generator)
        geometry = draw_geometry(len(rows), config.augment, size, generator)
        rgb = move(placed(images[rows].to(device).float() / 255, size), geometry, smooth=True)
        rgb = rgb.contiguous(memory_format=torch.channels_last)
        loss = F.cross_entropy(teacher(rgb), labels[rows].to(device))
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, plan.teacher_iterations, peak=plan.teacher_lr, warmup=20)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        advance()
    return teacher.eval()


@torch.no_grad()
def teacher_accuracy(teacher: nn.Module, stills: Stills, size: int, device: torch.device) -> float:
    """Share of these stills that the teacher classifies rightly."""
    right = 0
    for start in range(0, len(stills), 256):
        images = torch.from_numpy(stills.images[start : start + 256]).to(device).float() / 255
        labels = torch.from_numpy(stills.labels[start : start + 256]).to(device)
        right += int((teacher(placed(images, size)).argmax(1) == labels).sum())
    return right / len(stills)
