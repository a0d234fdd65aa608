"""Training a student: one loop for every recipe. Undistilled training is this loop with the static branch off."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ckd.config import Config, Method, Training
from ckd.data.stored import AnyFrames
from ckd.events.types import Int
from ckd.method.ahead import made_ahead
from ckd.method.batches import Batch, BatchMaker
from ckd.method.branches import Branches
from ckd.method.budget import overspent
from ckd.method.losses import branch_losses
from ckd.method.schedule import schedules
from ckd.models.buffers import release
from ckd.models.distributed import local_share, process_count
from ckd.models.spiking import SpikingStudent
from ckd.models.teacher import teacher_logits
from ckd.training.measure import measure

State = dict[str, Tensor]


@dataclass(kw_only=True)
class Progress:
    """All that a student's training needs to go on from `iteration` as if nothing had happened."""

    iteration: int = 0
    model: State | None = None
    optimizer: dict[str, Any] | None = None
    precision: dict[str, Any] = field(default_factory=dict)
    """The loss scale of 16-bit training; empty in every other precision."""
    draws: dict[str, Tensor] = field(default_factory=dict)
    """States of the generators of a teacher's training; a student's batches depend on the iteration alone."""
    average: State | None = None
    best: State | None = None
    best_loss: float = math.inf
    best_overspent: float = math.inf
    """By how much (a logarithm) the best weights exceed their budget."""


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the loop tells the outside."""

    advance: Callable[[int], None] = lambda iteration: None
    log: Callable[[dict[str, Any]], None] = lambda record: None
    save: Callable[[Progress], None] | None = None
    """Writes a checkpoint of all that `Progress` holds; None: no checkpoints."""
    due: Callable[[], bool] = lambda: False
    """Asked after every iteration: is it time for a checkpoint?"""
    stop: Callable[[], bool] = lambda: False
    """Asked after every iteration: is the run to end here, with a checkpoint?"""

    def after(self, progress: Progress, keep: Callable[[], None]) -> None:
        """The end of an iteration; `keep` puts into `progress` what a checkpoint needs.

        Raises:
            KeyboardInterrupt: the run is to end here.
        """
        stop = self.stop()
        if self.save is not None and (stop or self.due()):
            keep()
            self.save(progress)
        if stop:
            raise KeyboardInterrupt


def train_student(
    fabric: Fabric,
    student: SpikingStudent,
    config: Config,
    *,
    maker: BatchMaker,
    teacher: nn.Module | None,
    validation: tuple[AnyFrames, Int],
    progress: Progress,
    hooks: Hooks = Hooks(),
) -> SpikingStudent:
    """Train for the configured number of iterations; the student comes back with its best weights, in eval mode.

    Args:
        fabric: from `launch_fabric`.
        student: changed in place.
        config: the recipe.
        maker: draws the global batch of an iteration; its pool is None in undistilled training.
        teacher: frozen, or None.
        validation: frames (R, T, 2, H, W) and labels (R,) that choose the best weights; none: the last are kept.
        progress: where to begin; fresh or from a checkpoint.
        hooks: logging and checkpoints.
    """
    method, plan = config.method, config.training
    branches = Branches(student, method, (config.data.time_steps, *validation[0].shape[2:]))
    optimizer = optimizer_of(branches, plan)
    model, optimizer = fabric.setup(branches, optimizer)
    restore(fabric, branches, optimizer, progress)
    evaluate_at = {round(plan.iterations * (i + 1) / plan.evaluations) for i in range(plan.evaluations)}

    def make(iteration: int) -> tuple[dict[str, float], Batch]:
        schedule = schedules(method, plan, iteration)
        return schedule, _shared(maker(iteration, replacement=schedule["P"]))

    iterations = range(progress.iteration, plan.iterations)
    # In float64, Fabric changes the type of fresh numbers while a network runs, in every thread: draws would differ.
    batches = map(make, iterations) if config.machine.precision == "64-true" else made_ahead(make, iterations)
    for iteration, (schedule, batch) in zip(iterations, batches, strict=True):
        if method.pretrain > 0:
            batch = _one_branch(batch, stills=iteration < method.pretrain * plan.iterations)
        branches.train()
        logits = None
        if teacher is not None and batch.rgb is not None and schedule["W"] > 1e-3:
            logits = teacher_logits(teacher, batch.rgb)
        outputs = model(batch.event, batch.mixed)
        weight = method.kd_weight * schedule["W"]
        done = iteration / plan.iterations
        terms = branch_losses(outputs, batch, branches.a, method, teacher=logits, weight=weight, progress=done)
        for group in optimizer.param_groups:
            group["lr"] = schedule["lr"]
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(terms["loss"])
        if plan.clip > 0:
            fabric.clip_gradients(model, optimizer, max_norm=plan.clip)
        optimizer.step()
        progress.iteration = iteration + 1
        if plan.ema > 0:
            _average(progress, student, min(plan.ema, (iteration + 1) / (iteration + 10)))
        record = {"iteration": iteration, **schedule, **{name: _plain(fabric, value) for name, value in terms.items()}}
        if progress.iteration in evaluate_at and len(validation[1]):
            record |= _validate(student, method, progress, validation)
        hooks.log(record)
        hooks.advance(progress.iteration)
        hooks.after(progress, partial(keep, fabric, branches, optimizer, progress))
    # Without validation recordings nothing chooses: the last weights, or their average.
    student.load_state_dict(progress.best or progress.average or student.state_dict())
    release()
    return student.eval()


def optimizer_of(trained: nn.Module, plan: Training) -> torch.optim.Optimizer:
    """AdamW; weight decay on weights alone, not on batch norm, biases and step weights."""
    wanted = [p for p in trained.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in wanted if p.ndim > 1], "weight_decay": plan.weight_decay},
        {"params": [p for p in wanted if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.lr)


def keep(fabric: Fabric, trained: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Into `progress` what `restore` takes out of it."""
    progress.model, progress.optimizer = trained.state_dict(), optimizer.state_dict()
    progress.precision = fabric.strategy.precision.state_dict()


def restore(fabric: Fabric, trained: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """What a checkpoint holds, once set-up has moved and converted the weights: before, float64 would be rounded."""
    if progress.model is None:
        return
    assert progress.optimizer is not None
    trained.load_state_dict(progress.model)
    optimizer.load_state_dict(progress.optimizer)
    if progress.precision:
        fabric.strategy.precision.load_state_dict(progress.precision)
    if progress.average is not None:
        progress.average = {name: value.to(fabric.device) for name, value in progress.average.items()}


def _one_branch(batch: Batch, *, stills: bool) -> Batch:
    """Transfer learning, the usual alternative to two branches: the stills of a batch alone, or its recordings."""
    if batch.mixed is not None and stills:
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


def _average(progress: Progress, student: SpikingStudent, decay: float) -> None:
    """Exponential moving average of weights and batch statistics, quick at first."""
    now = student.state_dict()
    if progress.average is None:
        progress.average = _copied(now)
        return
    for name, value in now.items():
        kept = progress.average[name]
        if value.is_floating_point():
            kept.lerp_(value.detach(), 1 - decay)
        else:
            kept.copy_(value)


def _validate(
    student: SpikingStudent, method: Method, progress: Progress, validation: tuple[AnyFrames, Int]
) -> dict[str, Any]:
    """Measure on validation recordings and keep the weights if their loss is the lowest so far.

    Weights within the budget come before those that exceed it, and of the latter the nearest. The loss, because with
    few recordings the accuracy is so coarse that chance chooses among its peaks.
    """
    now = _copied(student.state_dict())
    # In place: a student from outside may hold states that cannot be copied.
    student.load_state_dict(progress.average or now)
    result = measure(student, *validation)
    over = overspent(result.spent, method)
    if progress.best is None or (over, result.loss) <= (progress.best_overspent, progress.best_loss):
        progress.best_overspent, progress.best_loss = over, result.loss
        progress.best = _copied(student.state_dict())
    student.load_state_dict(now)
    record: dict[str, Any] = {
        "validation_accuracy": result.accuracy,
        "validation_accuracy_per_step": result.accuracy_per_step,
        "validation_loss": result.loss,
        "spike_rate": result.rates,
    }
    return record | result.spent


def _copied(state: State) -> State:
    return {name: value.detach().clone() for name, value in state.items()}
