"""The student that a configuration describes, with fresh weights or those of a file."""

from pathlib import Path
from typing import Any

import torch

from ckd.config import Config
from ckd.config.factories import is_factory
from ckd.errors import ConfigError, RunError
from ckd.models.spiking import SpikingStudent
from ckd.models.student import Neuron, build_resnet18, build_vgg
from ckd.models.trial import build_own
from ckd.models.weights import read_weights


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


def build_trained(config: Config, file: Path, *, classes: int) -> SpikingStudent:
    """The student that `config` describes with the weights of a run's file.

    Raises:
        RunError: they are missing or damaged, or `config` describes another network, or one that is too large.
        ConfigError: as `build_student`.
    """
    weights = read_weights(file)
    try:
        # Shapes alone first: a word in config.yaml can ask for any memory, and these weights are there already.
        with torch.device("meta"):
            fits = is_factory(config.student.student) or _shapes(build_student(config, classes=classes)) == {
                name: value.shape for name, value in weights.items()
            }
        built = build_student(config, classes=classes) if fits else None
    except (RuntimeError, MemoryError) as error:
        reason = str(error).partition("\n")[0][:160]
        raise RunError(
            f"{file.parent}: the network that config.yaml describes cannot be built here ({reason})"
        ) from None
    except ConfigError as error:
        raise ConfigError(f"{file.parent / 'config.yaml'}: {error}") from None
    try:
        if built is not None:
            built.network.load_state_dict(weights)
            return built
    except RuntimeError:
        pass
    raise RunError(
        f"{file.parent}: the weights in {file.name} do not fit the network that config.yaml describes; "
        "one of the two files was changed, train the run again"
    )


def _shapes(student: SpikingStudent) -> dict[str, Any]:
    return {name: value.shape for name, value in student.network.state_dict().items()}
