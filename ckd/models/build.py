"""The student that a configuration describes."""

from ckd.config import Config
from ckd.config.factories import is_factory
from ckd.models.spiking import SpikingStudent
from ckd.models.student import Neuron, build_resnet18, build_vgg
from ckd.models.trial import build_own


def build_student(config: Config, *, classes: int) -> SpikingStudent:
    """The student that `config` describes, with fresh weights from torch's generator.

    Raises:
        ConfigError: it cannot be built for frames of this size, or is one from outside that cannot be trained.
    """
    plan, shape = config.student, (2, config.data.size, config.data.size)
    if is_factory(plan.student):
        return build_own(config, classes=classes)
    neuron = Neuron(beta=plan.beta, threshold=plan.threshold, alpha=plan.surrogate_alpha)
    if plan.student == "resnet18":
        return build_resnet18(input_shape=shape, classes=classes, neuron=neuron)
    return build_vgg(plan.widths, input_shape=shape, classes=classes, neuron=neuron, first_padding=plan.first_padding)
