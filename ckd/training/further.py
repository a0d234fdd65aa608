"""Training a student further on the data of a finished run, with the run's own engine, losses and teacher."""

import torch

from ckd.config import Config
from ckd.data.material import prepare
from ckd.method.batches import BatchMaker
from ckd.models.student import Student
from ckd.models.teacher import build_teacher, load_teacher
from ckd.runs.folder import Run
from ckd.training.engine import Hooks, Progress, train_student
from ckd.training.parallel import launch_fabric


def train_further(run: Run, student: Student, config: Config, *, hooks: Hooks) -> Student:
    """Train `student` for the budget of `config` on the recordings that trained the run.

    Args:
        run: says which recordings train and validate; its teacher teaches.
        student: changed in place; any student over the run's frames and classes.
        config: the recipe and budget.
        hooks: progress and logging.

    Returns:
        the student with its best weights on the validation recordings, in eval mode.
    """
    material = prepare(config.data, config.method, seed=config.seed, split=run.split)
    # What training adds to the student, the static head of two, begins at random.
    torch.manual_seed(config.seed)
    fabric = launch_fabric(config.machine)
    teacher = None
    if config.needs_teacher:
        channels, classes = material.stills.images.shape[1], len(run.classes)
        network = build_teacher(config.teacher.teacher, channels=channels, classes=classes, size=config.data.size)
        teacher = load_teacher(run.path / "teacher.safetensors", network).to(fabric.device)
    maker = BatchMaker.of(material, config, device=fabric.device)
    validation = (material.frames["validation"], material.labels["validation"])
    train_student(
        fabric, student, config, maker=maker, teacher=teacher, validation=validation, progress=Progress(), hooks=hooks
    )
    return student
