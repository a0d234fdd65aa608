"""Small random networks on the grid, and frames for them."""

import itertools

import numpy as np

from ckd.events import Binning
from deploy.network import Array, Conv, Delay, Dense, Edge, Flatten, GridNeuron, Input, Network, Node, Output
from tests.builders import cells

STEPS = 12


def even(rng: np.random.Generator, *shape: int) -> Array:
    """Weights on the grid, of both signs, a little more excitation than inhibition."""
    return rng.integers(-45, 60, shape) * 2


def convolutional(rng: np.random.Generator, size: int = 8) -> Network:
    """Two convolutions, a decaying current, a delay, a readout, biases."""
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, size, size)),
        "conv1": Conv(weight=even(rng, 4, 2, 3, 3), stride=(2, 2), padding=(1, 1)),
        "lif1": cells(4, size // 2, size // 2, vth=160, bias=rng.integers(-500, 900, (4, 1, 1))),
        "conv2": Conv(weight=even(rng, 6, 4, 3, 3), padding=(0, 1)),
        "lif2": cells(6, size // 2 - 2, size // 2, vth=500, du=2047, bias=rng.integers(-500, 900, (6, 1, 1))),
        "delay": Delay(steps=1),
        "flatten": Flatten(),
        "fc": Dense(weight=even(rng, 5, 6 * (size // 2 - 2) * (size // 2))),
        "readout": cells(5, vth=None, dv=0, bias=rng.integers(-300, 300, 5)),
        "output": Output(),
    }
    return network_of(nodes, Binning(step_us=1000, steps=STEPS, height=size, width=size, max_count=2))


def dense(rng: np.random.Generator, *, recurrent: bool = False) -> Network:
    """Dense layers that spike to the end; with `recurrent` the first one also feeds itself."""
    inputs, hidden = int(rng.integers(6, 20)), int(rng.integers(4, 16))
    nodes: dict[str, Node] = {
        "input": Input(shape=(inputs,)),
        "fc1": Dense(weight=even(rng, hidden, inputs), weight_exp=int(rng.integers(0, 2))),
        "lif1": cells(
            hidden, vth=int(rng.integers(40, 200)), dv=int(rng.integers(0, 4097)), bias=rng.integers(0, 600, hidden)
        ),
        "fc2": Dense(weight=even(rng, 4, hidden)),
        "lif2": cells(
            4, vth=int(rng.integers(30, 120)), dv=int(rng.integers(0, 2000)), du=int(rng.integers(1500, 4096))
        ),
        "output": Output(),
    }
    network = network_of(nodes, None)
    if not recurrent:
        return network
    back: tuple[Edge, ...] = (("lif1", "back"), ("back", "lif1"))
    return network.replace(
        nodes={**network.nodes, "back": Dense(weight=even(rng, hidden, hidden))}, edges=(*network.edges, *back)
    )


def network_of(nodes: dict[str, Node], binning: Binning | None) -> Network:
    """A chain of nodes as a network on the grid."""
    bits = {name: 7 for name, node in nodes.items() if isinstance(node, GridNeuron)}
    return Network(nodes=nodes, edges=tuple(itertools.pairwise(nodes)), binning=binning, chip="loihi2", scale_bits=bits)


def frames_for(rng: np.random.Generator, network: Network, recordings: int, steps: int = STEPS) -> Array:
    """Random frames, a third of them events, counts up to 2."""
    shape = (recordings, steps, *network.input_shape)
    return ((rng.random(shape) < 0.3) * rng.integers(1, 3, shape)).astype(np.uint8)
