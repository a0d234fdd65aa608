"""How large a value can get anywhere in a network: the proof behind the integer types the kernels use."""

import math

import numpy as np

from deploy.grid import DECAY_ONE, STATE_BITS, V_MAX
from deploy.network import Conv, Dense, GridNeuron, Input, Network, Node, SumPool


def gains(network: Network) -> dict[str, int]:
    """By synapse, how many times the largest input the largest sum can be, at any moment before or after its shift."""
    return {name: _gain(node) for name, node in network.nodes.items() if isinstance(node, Dense | Conv | SumPool)}


def largest_values(network: Network, gain: dict[str, int], largest_count: int) -> dict[str, float]:
    """By node, the largest magnitude that can leave it when frames hold counts up to `largest_count`.

    A cycle without a neuron in it adds up for ever: its nodes have no bound and get infinity.
    """
    bounds: dict[str, float] = dict.fromkeys(network.nodes, 0)
    before = bounds
    for _ in range(len(network.nodes) + 1):
        before = dict(bounds)
        for name in network.order:
            match network.nodes[name]:
                case Input():
                    bounds[name] = largest_count
                case GridNeuron():
                    bounds[name] = 1
                case _:
                    bounds[name] = arriving(network, name, bounds) * gain.get(name, 1)
        if bounds == before:
            return bounds
    return {name: bound if bound == before[name] else math.inf for name, bound in bounds.items()}


def arriving(network: Network, name: str, bounds: dict[str, float]) -> float:
    """The largest magnitude of the sum of what the edges into `name` bring."""
    return sum(bounds[source] for source in network.sources(name))


def _gain(node: Node) -> int:
    match node:
        case Dense() | Conv():
            rows = np.abs(node.weight.astype(np.int64)).reshape(len(node.weight), -1).sum(axis=1)
            return int(rows.max(initial=0)) << max(node.weight_exp, 0)
        case SumPool():
            return node.kernel[0] * node.kernel[1]
        case _:
            raise AssertionError(node)


def stays_within(node: GridNeuron, largest_sum: float) -> bool:
    """Whether, for sums of at most this magnitude, u cannot wrap, v cannot saturate and v * (4096 - dv) fits int32.

    A step adds at most A = 2^6 sums + bias to v and keeps (4096 - dv) / 4096 of it: |v| never passes 4096 A / dv.
    """
    slowest = int(node.dv.min())
    if slowest == 0 or node.has_current:
        return False
    added = largest_sum * (1 << STATE_BITS) + int(np.abs(node.bias.astype(np.int64)).max())
    largest = added * DECAY_ONE / slowest
    return largest <= V_MAX and largest * (DECAY_ONE - slowest) < 1 << 31
