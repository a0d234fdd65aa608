"""What training counts as synaptic operations is what a mapping counts on the chip."""

import numpy as np
import pytest

from ckd.models.fan_out import fan_out
from deploy import quantize
from deploy.mapping.tiles import fan_out as on_chip
from deploy.mapping.tiles import links_into
from deploy.network import Array
from export.fold import student_to_network
from tests.export.conftest import BINNING, CLASSES


@pytest.mark.parametrize("name", ["student", "resnet"])
def test_training_counts_the_synapses_that_a_chip_holds(
    name: str, frames: Array, request: pytest.FixtureRequest
) -> None:
    student = request.getfixturevalue(name)
    network = quantize(student_to_network(student, binning=BINNING, classes=CLASSES), frames, method="max")
    held: dict[str, Array] = {}
    for layer in network.neurons:
        for link in links_into(network, layer):
            held[link.source] = held.get(link.source, 0) + on_chip(link)
    counted = {
        network.input if source == "input" else source: x for source, x in fan_out(student, BINNING.frame_shape).items()
    }
    assert held.keys() == counted.keys()
    assert all(np.array_equal(held[layer], counted[layer].numpy().reshape(held[layer].shape)) for layer in held)
