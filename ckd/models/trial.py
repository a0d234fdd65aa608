"""A student from outside is tried before a run begins: what it would do wrong later is one line now."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ckd.config import Config
from ckd.config.factories import make_by_name, told
from ckd.errors import ConfigError
from ckd.models.distributed import BatchNorm, batch_norms, process_count
from ckd.models.own import OwnStudent
from ckd.models.spiking import StudentOutput

DENSITY = 0.5
"""Share of ones in the frames that a student is tried on: so many that a state which outlives its call shows."""
GAINS = (1.0, 4.0)
CLOSE = 1e-3
"""Logits this close are the same: sums over other numbers of recordings are added up in another order."""
OTHERS = 0.25
"""Share of the logits that may be others for that reason: a spike at its threshold may fall on either side."""


def build_own(config: Config, *, classes: int) -> OwnStudent:
    """The student that the configuration's factory makes, on the CPU, after a try.

    The factory is called with those of input_shape=(2, size, size), time_steps and classes that it has parameters for.

    Raises:
        ConfigError: there is no such factory, or what it returns is no student for this run's frames.
    """
    name, size = config.student.student, config.data.size
    offered = {"input_shape": (2, size, size), "time_steps": config.data.time_steps, "classes": classes}
    module = make_by_name(name, "--student", offered)
    if not isinstance(module, nn.Module):
        raise _refused(config, f"returned a {type(module).__name__}; it must return a torch.nn.Module")
    student = OwnStudent(module.cpu())
    names = [layer for layer, _ in module.named_modules() if layer]
    if student.aligned is not None and student.aligned not in names:
        raise _refused(config, f"has no layer {student.aligned!r}, its alignment_layer; it has {', '.join(names)}")
    _try_out(student.eval(), config, classes)
    _require_tensors(module, config)
    return student.train()


def check_for_training(student: OwnStudent, config: Config, *, classes: int) -> None:
    """Raise ConfigError where a student from `build_own` cannot be trained as configured.

    Args:
        student: made after torch's generator had the run's seed.
        config: of the run.
        classes: K.
    """
    if config.method.distill and config.method.align_weight > 0 and student.aligned is None:
        raise _refused(
            config,
            f"names no alignment_layer, so --align-weight (={config.method.align_weight}) has nothing to compare; "
            "with 0 only logits are distilled",
        )
    if process_count() > 1 and not all(isinstance(norm, BatchNorm) for norm in batch_norms(student)):
        raise _refused(
            config,
            f"{process_count()} processes train as one where every batch norm is ckd.models.distributed.BatchNorm; "
            "use that, or one process",
        )
    torch.manual_seed(config.seed)
    again = build_own(config, classes=classes).network.state_dict()
    for key, value in student.network.state_dict().items():
        if not torch.equal(value, again[key]):
            raise _refused(
                config, f"begins with other weights ({key}) at the same seed; draw them from torch's own generator"
            )


def run_once(student: OwnStudent, config: Config, *, classes: int) -> None:
    """Raise ConfigError where a student fails in the mode, on the device and in the precision that it is in."""
    weight = next(student.parameters())
    _forward(student, _frames(config, 2).to(weight), config, classes)


def _try_out(student: OwnStudent, config: Config, classes: int) -> None:
    two = _forward(student, _frames(config, 2), config, classes).logits
    shapes = _shapes(student)
    _forward(student, _frames(config, 1), config, classes)
    changed = [key for key, shape in _shapes(student).items() if shapes.get(key) != shape]
    if changed:
        raise _refused(
            config,
            f"keeps {changed[0]!r} among its weights with a shape that goes with the number of recordings; make it no "
            "buffer, or one with persistent=False",
        )
    if not two.isfinite().all():
        raise _refused(config, "gives logits that are not finite")
    if not two.requires_grad:
        raise _refused(config, "gives logits without a gradient, so nothing of it can be trained")
    for gain in GAINS:
        with _weights_times(student, gain):
            _require_own_logits(student, config, classes)


def _require_own_logits(student: OwnStudent, config: Config, classes: int) -> None:
    """The same logits when the same frames come again, and for a recording alone as among others."""
    frames = _frames(config, 2)
    two, again = (_forward(student, frames, config, classes).logits for _ in range(2))
    if not torch.equal(two, again):
        raise _refused(
            config,
            "gives other logits when it sees the same frames again; every call must begin from rest and draw nothing "
            "at random in eval mode",
        )
    alone = _forward(student, frames[:, :1], config, classes).logits[:, 0]
    differ = (alone - two[:, 0]).abs() > CLOSE
    if differ.sum() > OTHERS * ((alone != 0) | (two[:, 0] != 0)).sum():
        raise _refused(
            config,
            "gives a recording other logits alone than beside another; frames come time first, (T, N, 2, H, W), and "
            "logits must leave as (T, N, K)",
        )


@contextmanager
def _weights_times(student: OwnStudent, gain: float) -> Iterator[None]:
    """The student with larger weights: one that is silent at first shows nothing."""
    weights = [parameter for parameter in student.parameters() if parameter.ndim > 1]
    kept = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight in weights:
                weight.mul_(gain)
        yield
    finally:
        with torch.no_grad():
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)


def _shapes(student: OwnStudent) -> dict[str, torch.Size | None]:
    """The shapes of what the module's file would hold; None of what is no tensor."""
    return {key: getattr(value, "shape", None) for key, value in student.network.state_dict().items()}


def _frames(config: Config, recordings: int) -> Tensor:
    """(T, N, 2, size, size) random frames, the same every time."""
    shape = (config.data.time_steps, recordings, 2, config.data.size, config.data.size)
    return (torch.rand(shape, generator=torch.Generator().manual_seed(0)) < DENSITY).float()


def _forward(student: OwnStudent, frames: Tensor, config: Config, classes: int) -> StudentOutput:
    """What the student gives for these frames, if its form is right."""
    seen, wanted = f"for frames of shape {tuple(frames.shape)}", (*frames.shape[:2], classes)
    try:
        with torch.enable_grad():
            output = student(frames)
    except Exception as error:
        raise _refused(config, f"{seen} on {frames.device} it raised {told(error)}") from None
    logits, potential = output
    if logits.shape != wanted:
        raise _refused(
            config,
            f"gives logits of shape {tuple(logits.shape)} {seen}; they must have shape {wanted}: a logit a step, "
            "recording and class",
        )
    for what, tensor in {"logits": logits, "potentials": potential}.items():
        if tensor is not None and tensor.device != frames.device:
            raise _refused(config, f"gives {what} on {tensor.device} for frames on {frames.device}; keep to theirs")
    if potential is not None and (potential.ndim < 3 or potential.shape[:2] != frames.shape[:2]):
        raise _refused(
            config,
            f"its alignment_layer {student.aligned!r} gives shape {tuple(potential.shape)} {seen}; potentials must "
            "begin with the time steps and recordings, or be given step by step",
        )
    return output


def _require_tensors(module: nn.Module, config: Config) -> None:
    for key, value in module.state_dict().items():
        if not isinstance(value, Tensor):
            raise _refused(config, f"keeps {key!r} in its state, which is no tensor; a run folder holds tensors alone")


def _refused(config: Config, why: str) -> ConfigError:
    return ConfigError(f"--student {config.student.student}: {why}")
