"""The student that a configuration describes."""

from ckd.config import StudentConfig
from ckd.models.student import Neuron, Student, build_resnet18, build_vgg


def build_student(plan: StudentConfig, *, size: int, classes: int) -> Student:
    """The student that `plan` describes, for frames of (2, size, size), with fresh weights from torch's generator.

    Raises:
        ConfigError: it cannot be built for frames of this size.
    """
    neuron = Neuron(beta=plan.beta, threshold=plan.threshold, alpha=plan.surrogate_alpha)
    shape = (2, size, size)
    if plan.student == "resnet18":
        return build_resnet18(input_shape=shape, classes=classes, neuron=neuron)
    return build_vgg(plan.widths, input_shape=shape, classes=classes, neuron=neuron, first_padding=plan.first_padding)
