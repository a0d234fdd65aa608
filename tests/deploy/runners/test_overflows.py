"""Overflows are counted in the steps that a recording has, and in no other."""

from itertools import pairwise

import numpy as np

from deploy.network import Dense, Input, Network, Output
from deploy.runners import integer
from tests.builders import cells, chain

STEPS = 4


def driven_by_bias() -> Network:
    """Three layers, each driven out of its 24 bits by its own bias alone: from the second step on, at every step."""
    fc = Dense(weight=np.zeros((1, 1), np.int64))
    lif = cells(1, dv=0, vth=None, bias=(1 << 22))
    spiking = cells(1, dv=0, vth=131071, bias=-(1 << 22))
    nodes = {"input": Input(shape=(1,)), "fc1": fc, "lif1": spiking, "fc2": fc, "lif2": spiking, "fc3": fc, "lif3": lif}
    return chain(**nodes, output=Output())


def test_a_pipeline_counts_the_overflows_of_the_recording_and_no_others() -> None:
    """v goes to -2^22, then to -2^23, which is one beyond 24 bits, and again: three in four steps, by hand."""
    frames = np.zeros((3, STEPS, 1), np.uint8)
    synchronous, pipelined = (
        integer.run(driven_by_bias(), frames, schedule=schedule) for schedule in ("synchronous", "pipelined")
    )
    assert synchronous.overflows == {"lif1": 9, "lif2": 9, "lif3": 9}
    assert pipelined.overflows == synchronous.overflows
    assert [layer.offset for layer in pipelined.layers.values()] == [1, 2, 3]


def test_a_pipeline_with_a_feedback_does_so_too() -> None:
    network = driven_by_bias()
    nodes = {**network.nodes, "back": Dense(weight=np.full((1, 1), 2))}
    edges = (*network.edges, *pairwise(["lif2", "back", "lif2"]))
    network = network.replace(nodes=nodes, edges=edges)
    frames = np.zeros((3, STEPS, 1), np.uint8)
    for schedule in ("synchronous", "pipelined"):
        assert integer.run(network, frames, schedule=schedule).overflows == {"lif1": 9, "lif2": 9, "lif3": 9}
