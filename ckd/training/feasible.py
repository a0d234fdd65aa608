"""What cannot be run here is refused before any data is read: in a run, and in a dry run alike."""

import os
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from ckd.config import Config
from ckd.config.factories import is_factory
from ckd.errors import ConfigError
from ckd.models.build import build_student
from ckd.models.distributed import process_count
from ckd.models.student import Student
from ckd.models.teacher import build_teacher
from ckd.runs.scalars import require_tensorboard
from ckd.training.parallel import check_share

ARRAYS = 2
"""Arrays of a convolution's size that the way back needs of each at least: what is normalized, and the potentials."""
GIGABYTE = 1e9


def refuse_infeasible(config: Config, *, taught: bool = False) -> float:
    """Refuse what this machine lacks, and what it could not hold.

    Args:
        config: the run's configuration.
        taught: whether the run has its teacher already.

    Returns:
        how many bytes an iteration of the student takes at least; 0 of one from outside, which nobody knows.

    Raises:
        ConfigError: the message says what is missing, or how much memory would be needed.
    """
    check_share(config.training.batch, config.event_batch)
    if config.machine.tensorboard:
        require_tensorboard()
    needed = 0.0
    if not is_factory(config.student.student):
        if config.student.student == "vgg":
            _refuse_memory(config, _at_first_sight(config))  # before it is built
        needed = _memory_of(config)
        _refuse_memory(config, needed)
    if config.needs_teacher and not taught:
        _refuse_teacher(config)
    return needed


def _refuse_memory(config: Config, needed: float) -> None:
    has, data = _memory_here(config), config.data
    if needed > has:
        raise ConfigError(
            f"--batch {config.training.batch}, --time-steps {data.time_steps}, --size {data.size} and --widths "
            f"{config.student.widths}: an iteration needs at least {needed / GIGABYTE:,.0f} GB, and here are "
            f"{has / GIGABYTE:,.0f}; lower one of them"
        )


def _at_first_sight(config: Config) -> float:
    """Bytes that a VGG's weights and its first layer take at least; words that are no numbers are refused later."""
    widths, data = config.student.widths, config.data
    channels = [2, *(int(word) for word in widths.split("-") if word.isdigit())]
    weights = sum(9 * one * other for one, other in pairwise(channels))
    cells = channels[min(1, len(channels) - 1)] * data.size**2 * (data.time_steps or 1) * config.training.batch
    return 4.0 * (4 * weights + ARRAYS * cells / process_count())


def _refuse_teacher(config: Config) -> None:
    file = config.teacher.teacher_file
    if file is not None and not Path(file).is_file():
        raise ConfigError(f"--teacher-file {file}: no such file; a run's folder holds its teacher.safetensors")
    # Classes and channels are known when the data is; a library or a name that is missing shows with any.
    build_teacher(config.teacher.teacher, channels=3, classes=2, size=config.data.size)


def _memory_of(config: Config) -> float:
    """Bytes of activations of an iteration in one process, and of weights with their gradients and moments."""
    data, training = config.data, config.training
    outputs: list[int] = []
    with torch.device("meta"), torch.no_grad():  # shapes alone
        student = build_student(config, classes=2).eval()
        assert isinstance(student, Student)
        nodes = student.nodes

        def count(name: str, output: Tensor) -> None:
            if isinstance(nodes[name], nn.Conv2d):
                outputs.append(output.numel())

        student(torch.zeros(1, 1, 2, data.size, data.size), observe=count)
    cells = float(sum(outputs))
    parameters = sum(each.numel() for each in student.parameters())
    branches = 2 if config.method.distill or config.method.contrastive else 1  # or views
    samples = branches * training.batch / process_count()
    width = 8 if config.machine.precision == "64-true" else 4
    steps = data.time_steps or 8
    frames = samples * steps * 2 * data.size**2
    return width * (ARRAYS * cells * steps * samples + frames + 4 * parameters)


def _memory_here(config: Config) -> float:
    if config.machine.accelerator != "cpu" and torch.cuda.is_available():
        return float(torch.cuda.mem_get_info()[1])
    return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
