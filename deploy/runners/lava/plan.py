"""Turns a network into the process graph that Lava is to build: populations, connections, delays, layouts.

Lava's schedule is pipelined: a synapse hands on the spikes of the step before, so a population of depth k works on
step t - k. A connection that skips layers, a Delay node or a recurrent edge then needs

    delay = depth(target) - depth(source) - 1 + lag,     lag = the steps of its Delay nodes + 1 if it is recurrent

further steps. Recordings follow each other at an interval of T + the largest lag.

Maps (C, H, W) lie as (H, W, C) in Lava, whose convolutions flip their kernels (`lava/proc/conv/utils.py`).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np

from deploy.errors import UnsupportedError
from deploy.network import (
    Array,
    Conv,
    Delay,
    Dense,
    Flatten,
    Input,
    Network,
    Neuron,
    Node,
    Scale,
    Shape,
)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """One way from the input or a population to a population: at most one synapse, with what lies around it.

    tail: the nodes from the synapse on; several connections may share it.
    factor: what all of it multiplies by, synapse aside; output_factor: the part of that after the synapse.
    lag: by how many steps the network itself makes it late; late_output: whether a Delay among that comes after
        the synapse.
    delay: the further steps that it needs in Lava.
    """

    source: str
    target: str
    synapse: str | None
    tail: tuple[str, ...]
    factor: float
    output_factor: float
    lag: int
    late_output: bool
    delay: int


def connections(network: Network) -> list[Connection]:
    """Every way that ends in a population.

    Raises:
        UnsupportedError: what Lava has no process for, or a feedback that cannot arrive in time.
    """
    found = [_connection(network, way) for name in network.neurons for way in _ways(network, (name,))]
    if not found:
        raise UnsupportedError("a network without neurons cannot run in Lava; there is nothing that could spike")
    for tail, branches in Counter(way.tail for way in found if way.synapse).items():
        node = network.nodes[tail[0]]
        assert isinstance(node, Dense | Conv)
        if node.weight_exp < 0 and branches > 1:
            raise UnsupportedError(
                f"{tail[0]}: several branches meet before its sum is shifted (weight_exp {node.weight_exp}), and Lava "
                "would shift each by itself; use weight_exp >= 0, or a synapse for each branch"
            )
    return found


def lava_shape(shape: Shape) -> Shape:
    """(H, W, C) for (C, H, W); a flat shape stays."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


def to_lava(array: Array) -> Array:
    """(..., C, H, W) or (...,) of one population to Lava's layout."""
    return np.moveaxis(array, 0, -1) if array.ndim == 3 else array


def from_lava(array: Array, shape: Shape) -> Array:
    """(R, T, *lava_shape) to (R, T, *shape), or the same without T."""
    return np.moveaxis(array, -1, -3) if len(shape) == 3 else array


def lava_order(shape: Shape) -> Array:
    """For each place in Lava's flat order, its place in our own flat order, channel first."""
    return np.ascontiguousarray(to_lava(np.arange(int(np.prod(shape))).reshape(shape))).ravel()


def _ways(network: Network, way: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """All ways to the end of `way`, each from the input or a population, as node names."""
    for source in network.sources(way[0]):
        if isinstance(network.nodes[source], Input | Neuron):
            yield (source, *way)
        else:
            yield from _ways(network, (source, *way))


def _connection(network: Network, way: tuple[str, ...]) -> Connection:
    source, *between, target = way
    if isinstance(node := network.nodes[source], Neuron) and node.is_readout:
        raise UnsupportedError(
            f"{source} feeds {target} but never spikes: Lava hands on spikes, not potentials. Give it a threshold"
        )
    synapses = [name for name in between if isinstance(network.nodes[name], Dense | Conv)]
    if len(synapses) > 1:
        raise UnsupportedError(
            f"{' -> '.join(synapses)}: two synapses without neurons between them; multiply them into one"
        )
    factors = [_factor(name, network.nodes[name]) for name in between]
    late = [network.nodes[name].steps if isinstance(network.nodes[name], Delay) else 0 for name in way]  # pyright: ignore
    lag = sum(late) + sum(edge in network.recurrent_edges for edge in pairwise(way))
    delay = network.depth[target] - network.depth[source] - 1 + lag
    if delay < 0:
        raise UnsupportedError(
            f"{' -> '.join(way)}: on a pipelined chip this feedback arrives {-delay} steps late; "
            f"give it a Delay of at least {network.depth[source] - network.depth[target]} steps and train with it"
        )
    place = way.index(synapses[0]) if synapses else len(way)  # Its index in `between` is one less.
    return Connection(
        source=source,
        target=target,
        synapse=synapses[0] if synapses else None,
        tail=way[place:],
        factor=prod(factors),
        output_factor=prod(factors[place:]),
        lag=lag,
        late_output=any(late[place + 1 :]),
        delay=delay,
    )


def _factor(name: str, node: Node) -> float:
    """What a node that is neither synapse nor population multiplies by."""
    match node:
        case Dense() | Conv() | Flatten() | Delay():
            return 1.0
        case Scale() if np.ptp(node.factor) == 0:
            return float(np.ravel(node.factor)[0])
        case Scale():
            raise UnsupportedError(f"{name} (Scale): factors that differ; multiply them into the weights")
        case _:
            raise UnsupportedError(
                f"{name} ({type(node).__name__}): Lava has no process for it; fold it into the convolution that "
                "follows (deploy.quantize does, ckd-export too)"
            )
