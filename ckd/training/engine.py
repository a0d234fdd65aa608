"""Training a student: one loop for every recipe. Undistilled training is this loop with the static branch off."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ckd.config import Config
from ckd.events import Frames
from ckd.events.types import Int
from ckd.method.batches import Batch, BatchMaker
from ckd.method.branches import Branches, branch_losses
from ckd.method.schedule import distillation_weight, learning_rate, replacement_probability, two_stage_probability
from ckd.models.distributed import local_share, process_count
from ckd.models.student import Student
from ckd.models.teacher import teacher_logits
from ckd.training.measure import measure

State = dict[str, Tensor]


@dataclass(kw_only=True)
class Progress:
    """All that a stage needs to go on from `step` as if nothing had happened. Draws depend on the step alone."""

    step: int = 0
    model: State | None = None
    optimiser: dict[str, Any] | None = None
    precision: dict[str, Any] = field(default_factory=dict)
    """The loss scale of 16-bit training; empty in every other precision."""
    average: State | None = None
    best: State | None = None
    best_loss: float = math.inf


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the loop tells the outside."""

    advance: Callable[[int], None] = lambda step: None
    log: Callable[[dict[str, Any]], None] = lambda record: None
    save: Callable[[Progress], None] | None = None
    """Writes a checkpoint of all that `Progress` holds; None in tests and benchmarks that need none."""
    due: Callable[[], bool] = lambda: False
    """Asked after every step: is it time for a checkpoint?"""


def train_student(
    fabric: Fabric,
    student: Student,
    config: Config,
    *,
    maker: BatchMaker,
    teacher: nn.Module | None,
    validation: tuple[Frames, Int],
    progress: Progress,
    hooks: Hooks = Hooks(),
) -> Student:
    """Train for the configured number of steps; the student comes back with its best weights, in eval mode.

    Args:
        fabric: launched.
        student: changed in place.
        config: the recipe.
        maker: draws the global batch of a step; its pool is None in undistilled training.
        teacher: frozen, or None.
        validation: frames (R, T, 2, H, W) and labels (R,) on which the best weights are chosen.
        progress: where to begin; fresh or from a checkpoint.
        hooks: logging and checkpoints.
    """
    plan = config.training
    branches = Branches(student, config.method, config.data.time_steps)
    optimiser = _optimiser(branches, config)
    model, optimiser = fabric.setup(branches, optimiser)
    _restore(fabric, branches, optimiser, progress)
    evaluate_at = {round(plan.iterations * (i + 1) / plan.evaluations) for i in range(plan.evaluations)}
    for step in range(progress.step, plan.iterations):
        chances = step_schedule(config, step)
        batch = _pretraining(_shared(maker(step, replacement=chances["P"])), config, step)
        branches.train()
        logits = None
        if teacher is not None and batch.rgb is not None and chances["W"] > 1e-3:
            logits = teacher_logits(teacher, batch.rgb)
        outputs = model(batch.event, batch.mixed)
        weight = config.method.kd_weight * chances["W"]
        terms = branch_losses(outputs, batch, branches.a, config.method, teacher=logits, weight=weight)
        for group in optimiser.param_groups:
            group["lr"] = chances["lr"]
        optimiser.zero_grad(set_to_none=True)
        fabric.backward(terms["loss"])
        if plan.clip > 0:
            fabric.clip_gradients(model, optimiser, max_norm=plan.clip)
        optimiser.step()
        progress.step = step + 1
        if plan.ema > 0:
            _average(progress, student, min(plan.ema, (step + 1) / (step + 10)))
        record = {"step": step, **chances, **{name: _plain(fabric, value) for name, value in terms.items()}}
        if progress.step in evaluate_at:
            record |= _validate(student, progress, validation)
        hooks.log(record)
        hooks.advance(progress.step)
        if hooks.save is not None and hooks.due():
            progress.model, progress.optimiser = branches.state_dict(), optimiser.state_dict()
            progress.precision = fabric.strategy.precision.state_dict()
            hooks.save(progress)
    assert progress.best is not None
    student.load_state_dict(progress.best)
    return student.eval()


def step_schedule(config: Config, step: int) -> dict[str, float]:
    """P (replacement), W (distillation) and the learning rate of a step."""
    method, plan = config.method, config.training
    total = plan.iterations
    replacement = {
        "none": lambda: 0.0,
        "sliding": lambda: replacement_probability(step, total, power=method.replacement_power),
        "two-stage": lambda: two_stage_probability(step, total),
        "time-mix": lambda: replacement_probability(step, total, power=method.replacement_power),
    }[method.replacement]()
    weight = {
        "none": lambda: 0.0,
        "constant": lambda: 1.0,
        "phased": lambda: distillation_weight(step / total, centre=method.kd_centre, steepness=method.kd_steepness),
    }[method.kd]()
    lr = learning_rate(step, total, peak=plan.lr, warmup=plan.warmup)
    return {"P": replacement, "W": weight, "lr": lr}


def _optimiser(branches: Branches, config: Config) -> torch.optim.Optimizer:
    """AdamW; weight decay on weights alone, not on batch norm, biases and step weights."""
    wanted = [p for p in branches.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in wanted if p.ndim > 1], "weight_decay": config.training.weight_decay},
        {"params": [p for p in wanted if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.training.lr)


def _restore(fabric: Fabric, branches: Branches, optimiser: torch.optim.Optimizer, progress: Progress) -> None:
    """What a checkpoint holds, once set-up has moved and converted the weights: before, float64 would be rounded."""
    if progress.model is None:
        return
    assert progress.optimiser is not None
    branches.load_state_dict(progress.model)
    optimiser.load_state_dict(progress.optimiser)
    if progress.precision:
        fabric.strategy.precision.load_state_dict(progress.precision)
    if progress.average is not None:
        progress.average = {name: value.to(fabric.device) for name, value in progress.average.items()}


def _pretraining(batch: Batch, config: Config, step: int) -> Batch:
    """Transfer learning, the usual alternative: first the stills alone, then the recordings alone."""
    if config.method.pretrain == 0 or batch.mixed is None:
        return batch
    if step < config.method.pretrain * config.training.iterations:
        assert batch.mixed_labels is not None
        return Batch(event=batch.mixed, event_labels=batch.mixed_labels)
    return Batch(event=batch.event, event_labels=batch.event_labels)


def _shared(batch: Batch) -> Batch:
    """This process's part of the global batch."""

    def part(tensor: Tensor | None, dim: int) -> Tensor | None:
        return None if tensor is None else local_share(tensor, dim=dim)

    return Batch(
        event=local_share(batch.event, dim=1),
        event_labels=local_share(batch.event_labels, dim=0),
        mixed=part(batch.mixed, 1),
        mixed_labels=part(batch.mixed_labels, 0),
        rgb=part(batch.rgb, 0),
    )


def _plain(fabric: Fabric, value: Tensor) -> float | list[float]:
    """A logged number, the mean over processes."""
    value = value.detach()
    if process_count() > 1:
        value = torch.as_tensor(fabric.all_reduce(value, reduce_op="mean"))
    return value.tolist()


def _average(progress: Progress, student: Student, decay: float) -> None:
    """Exponential moving average of weights and batch statistics, quick at first."""
    now = student.state_dict()
    if progress.average is None:
        progress.average = {name: value.detach().clone() for name, value in now.items()}
        return
    for name, value in now.items():
        kept = progress.average[name]
        if value.is_floating_point():
            kept.lerp_(value.detach(), 1 - decay)
        else:
            kept.copy_(value)


def _validate(
    student: Student, progress: Progress, validation: tuple[Frames, Int]
) -> dict[str, float | list[float] | dict[str, float]]:
    """Measure on validation recordings and keep the weights if their loss is the lowest so far.

    The loss, because with few recordings the accuracy is so coarse that chance chooses among its peaks.
    """
    judged = student
    if progress.average is not None:
        judged = copy.deepcopy(student)
        judged.load_state_dict(progress.average)
    result = measure(judged, *validation)
    if progress.best is None or result.loss <= progress.best_loss:
        progress.best_loss = result.loss
        progress.best = {name: value.detach().clone() for name, value in judged.state_dict().items()}
    return {
        "validation_accuracy": result.accuracy,
        "validation_accuracy_per_step": result.accuracy_per_step,
        "validation_loss": result.loss,
        "spike_rate": result.rates,
        "synaptic_operations": result.synaptic_operations,
    }
