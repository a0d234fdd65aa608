"""Random students of the training wing, folded and put on the grid: equal on every route, or refused."""

import numpy as np
import pytest
import torch

from ckd.events import Binning
from ckd.models.student import Neuron, build_resnet18, build_vgg
from deploy.network import Array, Network
from deploy.quantization.search import quantize
from export.fold import student_to_network
from tests.builders import events
from tests.differential import grid_routes
from tests.differential.tally import Tally
from tests.export.conftest import unsettle
from tests.graphs.choices import Seeded

BINNING = Binning(step_us=1000, steps=5, height=8, width=8)


def student_case(seed: int) -> tuple[Network, Array]:
    """A student of any width, depth, leak and threshold, its batch norms uneven, and frames for it."""
    torch.manual_seed(seed)
    choices = Seeded(seed)
    neuron = Neuron(beta=float(choices.rng.uniform(0, 1)), threshold=float(choices.rng.uniform(0.2, 1)))
    classes = choices.one_of([2, 3, 10])
    if choices.one_of([True, False, False]):
        student = build_resnet18(input_shape=BINNING.frame_shape, classes=classes, width=2, neuron=neuron)
    else:
        widths = "-".join([str(choices.one_of([3, 4, 7])), *choices.one_of([["AP"], ["4", "AP", "5"], ["AP", "6"]])])
        padding = choices.one_of([1, 0])
        student = build_vgg(
            widths, input_shape=BINNING.frame_shape, classes=classes, neuron=neuron, first_padding=padding
        )
    names = tuple(map(str, range(classes)))
    network = student_to_network(unsettle(student, seed), binning=BINNING, classes=names)
    return network, events(choices.rng, 2, BINNING.steps, BINNING.frame_shape, rate=0.3)


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 200), marks=pytest.mark.long)])
def test_random_students_are_equal_on_every_route_or_refused(seeds: range) -> None:
    tally, spiking = Tally(), list[bool]()
    for seed in seeds:
        network, frames = student_case(seed)
        ready = tally.follow("quantize", lambda case=(network, frames): quantize(*case))
        if ready is not None:
            wanted = grid_routes.follow(ready, frames, set(), tally)
            assert wanted is not None
            spiking.append(any(np.any(steps) for steps in wanted.spikes.values()))
    print(f"{len(seeds)} students\n{tally}")
    assert np.mean(spiking) > 0.7 and tally.share("quantize") > 0.9
    for route in ("integer", "streamed", "torch", "pipelined", "onnx", ".nir"):
        assert tally.share(route) == 1, f"{route} claims too little:\n{tally}"
