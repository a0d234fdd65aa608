"""The student that a configuration describes."""

from ckd.config import Config
from ckd.models.student import Neuron, Student, build_resnet18, build_vgg


def build_student(config: Config, *, classes: int) -> Student:
    """The student that a configuration describes, with fresh weights from torch's generator."""
    plan = config.student
    neuron = Neuron(beta=plan.beta, threshold=plan.threshold, alpha=plan.surrogate_alpha)
    shape = (2, config.data.size, config.data.size)
    if plan.student == "resnet18":
        return build_resnet18(input_shape=shape, classes=classes, neuron=neuron)
    return build_vgg(plan.widths, input_shape=shape, classes=classes, neuron=neuron, first_padding=plan.first_padding)
