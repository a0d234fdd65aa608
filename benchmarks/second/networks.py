"""Three networks for the second list: plain convolutions, branches with decaying currents and delays, recurrence."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.network import Conv, Delay, Dense, Flatten, GridNeuron, Input, Network, Node, Output

STEPS, RECORDINGS = 14, 8
Array = NDArray[Any]


def cells(*shape: int, vth: int | None, dv: int = 400, du: int = 4095, bias: Array | int = 0) -> GridNeuron:
    threshold = None if vth is None else np.array(vth)
    return GridNeuron(shape=shape, du=np.array(du), dv=np.array(dv), vth=threshold, bias=np.asarray(bias))


def even(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(-45, 58, shape) * 2


def network_of(nodes: dict[str, Node], edges: tuple[tuple[str, str], ...]) -> Network:
    bits = {name: 7 for name, node in nodes.items() if isinstance(node, GridNeuron)}
    return Network(nodes=nodes, edges=edges, chip="loihi2", scale_bits=bits)


def plain() -> Network:
    """8 channels of 8 x 8, 12 of 4 x 4, a readout of 5."""
    rng = np.random.default_rng(11)
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 8, 8)),
        "conv1": Conv(weight=even(rng, 8, 2, 3, 3), padding=(1, 1)),
        "lif1": cells(8, 8, 8, vth=170, dv=700, bias=rng.integers(-700, 900, (8, 1, 1))),
        "conv2": Conv(weight=even(rng, 12, 8, 3, 3), stride=(2, 2), padding=(1, 1)),
        "lif2": cells(12, 4, 4, vth=420, dv=0, bias=128 * rng.integers(-4, 6, (12, 1, 1))),
        "flatten": Flatten(),
        "fc": Dense(weight=even(rng, 5, 192)),
        "readout": cells(5, vth=None, dv=128, bias=rng.integers(-300, 300, 5)),
        "output": Output(),
    }
    return network_of(nodes, tuple(pairwise(nodes)))


def branched() -> Network:
    """Two branches of one convolution meet, the shorter one late by two steps; currents decay."""
    rng = np.random.default_rng(12)
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 8, 8)),
        "conv1": Conv(weight=even(rng, 6, 2, 3, 3), padding=(1, 1)),
        "cuba1": cells(6, 8, 8, vth=260, dv=500, du=1500, bias=rng.integers(-300, 700, (6, 1, 1))),
        "conv2": Conv(weight=even(rng, 6, 6, 3, 3), padding=(1, 1), weight_exp=-1),
        "cuba2": cells(6, 8, 8, vth=330, dv=900, du=2600, bias=rng.integers(-300, 500, (6, 1, 1))),
        "conv3": Conv(weight=even(rng, 6, 6, 3, 3), padding=(1, 1)),
        "delay": Delay(steps=2),
        "short": Conv(weight=even(rng, 6, 6, 1, 1), weight_exp=1),
        "meet": cells(6, 8, 8, vth=1400, dv=600, du=3000),
        "flatten": Flatten(),
        "fc": Dense(weight=even(rng, 16, 384)),
        "last": cells(16, vth=1500, dv=200, bias=rng.integers(-200, 400, 16)),
        "output": Output(),
    }
    long = ("input", "conv1", "cuba1", "conv2", "cuba2", "conv3", "meet", "flatten", "fc", "last", "output")
    return network_of(nodes, (*pairwise(long), *pairwise(("cuba1", "delay", "short", "meet"))))


def recurrent() -> Network:
    """A dense layer of 48 that feeds itself, one of 32, a readout of 4."""
    rng = np.random.default_rng(13)
    nodes: dict[str, Node] = {
        "input": Input(shape=(32,)),
        "fc1": Dense(weight=even(rng, 48, 32)),
        "lif1": cells(48, vth=260, dv=800, bias=rng.integers(-400, 900, 48)),
        "back": Dense(weight=even(rng, 48, 48), weight_exp=-1),
        "fc2": Dense(weight=even(rng, 32, 48)),
        "cuba2": cells(32, vth=400, dv=500, du=2200, bias=rng.integers(-300, 600, 32)),
        "fc3": Dense(weight=even(rng, 4, 32)),
        "readout": cells(4, vth=None, dv=0),
        "output": Output(),
    }
    line = ("input", "fc1", "lif1", "fc2", "cuba2", "fc3", "readout", "output")
    return network_of(nodes, (*pairwise(line), ("lif1", "back"), ("back", "lif1")))


def frames_for(network: Network, seed: int = 5) -> Array:
    """A third of events with counts to 2; the second half of every recording is thinner."""
    rng = np.random.default_rng(seed)
    shape = (RECORDINGS, STEPS, *network.input_shape)
    rate = np.where(np.arange(STEPS) < STEPS // 2, 0.35, 0.2).reshape(1, STEPS, *[1] * len(network.input_shape))
    return ((rng.random(shape) < rate) * rng.integers(1, 3, shape)).astype(np.uint8)


NETWORKS = {"plain": plain, "branched": branched, "recurrent": recurrent}
