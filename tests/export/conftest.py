"""A small student with uneven batch norms, whose layers all spike: what training would leave, in no time."""

import numpy as np
import pytest
import torch

from ckd.events import Binning
from ckd.models.student import Student, build_resnet18, build_vgg
from deploy.network import Array, Network
from export.fold import student_to_network
from tests.ckd.conftest import cache_of_the_tests, tiny_run

__all__ = ["cache_of_the_tests", "tiny_run"]

BINNING = Binning(step_us=1000, steps=6, height=16, width=16)
CLASSES = ("a", "b", "c", "d")


def unsettle(student: Student, seed: int) -> Student:
    """Batch norms whose statistics and gains differ from channel to channel, as after training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in student.nodes.values():
            if isinstance(module, torch.nn.BatchNorm2d):
                assert module.running_mean is not None and module.running_var is not None
                module.running_mean.uniform_(-0.2, 0.2, generator=generator)
                module.running_var.uniform_(0.05, 0.3, generator=generator)
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.uniform_(-0.1, 0.3, generator=generator)
    return student.eval()


@pytest.fixture(scope="session")
def student() -> Student:
    torch.manual_seed(0)
    vgg = build_vgg("6-AP-8-AP", input_shape=BINNING.frame_shape, classes=len(CLASSES), first_padding=1)
    return unsettle(vgg, 1)


@pytest.fixture(scope="session")
def resnet() -> Student:
    torch.manual_seed(0)
    return unsettle(build_resnet18(input_shape=BINNING.frame_shape, classes=len(CLASSES), width=4), 1)


@pytest.fixture(scope="session")
def network(student: Student) -> Network:
    return student_to_network(student, binning=BINNING, classes=CLASSES)


@pytest.fixture(scope="session")
def frames() -> Array:
    rng = np.random.default_rng(0)
    return (rng.random((12, BINNING.steps, *BINNING.frame_shape)) < 0.15).astype(np.uint8)
