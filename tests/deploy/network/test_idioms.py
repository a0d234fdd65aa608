"""A readout adds up what would have come out, under a name that is free."""

import numpy as np

from deploy.network import Array, Dense, Input, Network, Node, Output
from deploy.network.idioms import READOUT, add_readout
from deploy.runners import floating


def _ends_in(last: str) -> Network:
    weight: Array = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    nodes: dict[str, Node] = {"input": Input(shape=(2,)), last: Dense(weight=weight), "output": Output()}
    return Network(nodes=nodes, edges=(("input", last), (last, "output")))


def test_the_readouts_potential_is_the_sum_of_the_outputs() -> None:
    frames = np.array([[[1, 0], [0, 1], [1, 1]]], np.uint8)
    v = floating.run(add_readout(_ends_in("dense")), frames).layers[READOUT]["v"]
    assert np.array_equal(v, [[[1, 3, 5], [3, 7, 11], [6, 14, 22]]])


def test_a_node_called_readout_is_left_alone() -> None:
    network = add_readout(_ends_in(READOUT))
    assert isinstance(network.nodes[READOUT], Dense)
    assert network.output_layer == f"{READOUT}_"
