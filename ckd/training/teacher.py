"""Training a teacher on stills, and how good it is."""

import torch
import torch.nn.functional as F
from torch import nn

from ckd.config import Augment, TeacherConfig
from ckd.data.base import Stills
from ckd.method.augment import draw_geometry, move
from ckd.method.schedule import learning_rate
from ckd.method.static import placed
from ckd.training.engine import Hooks, Progress

WARMUP = 20
"""Iterations in which the learning rate rises."""
WEIGHT_DECAY = 0.01


def train_teacher(
    teacher: nn.Module,
    stills: Stills,
    plan: TeacherConfig,
    augment: Augment,
    *,
    size: int,
    seed: int,
    device: torch.device,
    progress: Progress,
    hooks: Hooks,
) -> nn.Module:
    """Train on stills with the run's geometric augmentation; returns the teacher in eval mode.

    Args:
        teacher: from `build_teacher`, changed in place.
        stills: training stills alone: none that a validation or test recording films.
        plan: the budget.
        augment: how far stills are moved.
        size: height and width of what the teacher sees, in pixels.
        seed: decides which stills, and how they are moved.
        device: where to train.
        progress: where to begin; fresh or from a checkpoint.
        hooks: logging and checkpoints.
    """
    # Convolutions on a CPU are about a third faster when the channels lie innermost.
    teacher.to(device=device, memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.AdamW(teacher.parameters(), lr=plan.teacher_lr, weight_decay=WEIGHT_DECAY)
    images, labels = torch.from_numpy(stills.images), torch.from_numpy(stills.labels)
    generator = torch.Generator().manual_seed(seed * 2 + 1)
    _restore(teacher, optimizer, generator, progress)

    def keep() -> None:
        progress.model, progress.optimizer = teacher.state_dict(), optimizer.state_dict()
        progress.draws = {"batches": generator.get_state(), "dropout": torch.get_rng_state()}

    for iteration in range(progress.iteration, plan.teacher_iterations):
        rows = torch.randint(len(images), (plan.teacher_batch,), generator=generator)
        geometry = draw_geometry(len(rows), augment, size, generator)
        rgb = move(placed(images[rows].to(device).float() / 255, size), geometry, smooth=True)
        rgb = rgb.contiguous(memory_format=torch.channels_last)
        loss = F.cross_entropy(teacher(rgb), labels[rows].to(device))
        rate = learning_rate(iteration, plan.teacher_iterations, peak=plan.teacher_lr, warmup=WARMUP)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        progress.iteration = iteration + 1
        hooks.log({"iteration": iteration, "lr": rate, "loss": loss.item()})
        hooks.advance(progress.iteration)
        hooks.after(progress, keep)
    return teacher.eval()


def _restore(
    teacher: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator, progress: Progress
) -> None:
    if progress.model is None:
        return
    assert progress.optimizer is not None
    teacher.load_state_dict(progress.model)
    optimizer.load_state_dict(progress.optimizer)
    generator.set_state(progress.draws["batches"])
    torch.set_rng_state(progress.draws["dropout"])


@torch.no_grad()
def teacher_accuracy(teacher: nn.Module, stills: Stills, size: int, device: torch.device) -> float:
    """Share of these stills that the teacher classifies rightly."""
    right = 0
    for start in range(0, len(stills), 256):
        images = torch.from_numpy(stills.images[start : start + 256]).to(device).float() / 255
        labels = torch.from_numpy(stills.labels[start : start + 256]).to(device)
        right += int((teacher(placed(images, size)).argmax(1) == labels).sum())
    return right / len(stills)
