"""What holds for every input: neurons that can never spike, and two models that therefore cannot differ."""

from dataclasses import replace

import numpy as np

from deploy.checking.witness.targets import Target
from deploy.grid import DECAY_BITS, DECAY_ONE, STATE_BITS, U_WRAP, saturate, shift_weighted_sum, toward_zero
from deploy.network import Array, Conv, Delay, Dense, Flatten, GridNeuron, Input, Network, Output, SumPool
from deploy.network.ops import apply

Range = tuple[Array, Array]
"""The least and the largest value that each element can have, int64."""


def cannot_differ(one: Network, other: Network, found: list[Target], steps: int, largest: int) -> str | None:
    """Why no input of at most `steps` steps and counts up to `largest` makes the two differ; None: not proven.

    Args:
        one, other: networks on the grid that differ in the parameters at `found` alone.
    """
    first, second = (can_spike(network, steps, largest) for network in (one, other))
    if first is None or second is None:
        return None
    reasons = []
    for target in found:
        rows = slice(None) if target.rows is None else target.rows
        spiking = not one.neurons[target.layer].is_readout
        fed = [bool(first[name][wanted].any()) for name, wanted in target.inputs.items()]
        if target.inputs and not any(fed):
            reasons.append(f"what feeds the weights that differ before {target.layer} can never spike")
        elif spiking and not any(each[target.layer][rows].any() for each in (first, second)):
            reasons.append(f"the neurons of {target.layer} that differ can spike in neither")
        else:
            return None
    return "; ".join(reasons)


def can_spike(network: Network, steps: int, largest: int) -> dict[str, Array] | None:
    """By layer of neurons and the input, which elements can ever spike, (*shape) bool; all that is False never does.

    The largest potential is bounded step by step in the grid's own arithmetic, which never falls where what goes in
    rises. None for a network with another reset than the hard one at once, or neurons of another kind.

    Args:
        network: on the grid.
        steps, largest: of the inputs, how many steps they have at most, and how large their counts are.
    """
    ranges: dict[str, Range] = {}
    can: dict[str, Array] = {}
    for name in network.order:
        node, shape = network.nodes[name], network.shapes[name]
        if isinstance(node, Input):
            ranges[name] = np.zeros(shape, np.int64), np.full(shape, largest, np.int64)
            can[name] = ranges[name][1] > 0
            continue
        sources = [_of_source(network, source, ranges) for source in network.sources(name)]
        if any(each is None for each in sources):
            return None
        low = np.sum([each[0] for each in sources if each], axis=0)
        high = np.sum([each[1] for each in sources if each], axis=0)
        match node:
            case Dense() | Conv():
                ranges[name] = _weighted(node, low, high)
            case SumPool():
                ranges[name] = apply(node, low[None])[0], apply(node, high[None])[0]
            case Flatten():
                ranges[name] = low.ravel(), high.ravel()
            case Delay():
                ranges[name] = np.minimum(low, 0), np.maximum(high, 0)
            case Output():
                ranges[name] = low, high
            case GridNeuron() if type(node) is GridNeuron and node.resets_at_once:
                can[name] = _reached(node, low, high, steps)
                ranges[name] = np.zeros(shape, np.int64), can[name].astype(np.int64)
            case _:
                return None
    return can


def _of_source(network: Network, source: str, ranges: dict[str, Range]) -> Range | None:
    """The range of a source; one that comes later, over a recurrent edge, brings spikes or is not known."""
    if source in ranges:
        return ranges[source]
    if isinstance(network.nodes[source], GridNeuron):
        shape = network.shapes[source]
        return np.zeros(shape, np.int64), np.ones(shape, np.int64)
    return _later(network, source)


def _later(network: Network, source: str) -> Range | None:
    """The same of a synapse on the way of a recurrent edge, whose own source spikes."""
    node, sources = network.nodes[source], network.sources(source)
    if isinstance(node, Dense | Conv) and all(isinstance(network.nodes[one], GridNeuron) for one in sources):
        most = np.full(network.shapes[sources[0]], len(sources), np.int64)
        return _weighted(node, np.zeros_like(most), most)
    return None


def _weighted(node: Dense | Conv, low: Array, high: Array) -> Range:
    """Sums over weights of either sign, exact in float64."""
    weight = node.weight.astype(np.float64)
    up, down = replace(node, weight=np.maximum(weight, 0)), replace(node, weight=np.minimum(weight, 0))
    least = apply(up, low[None].astype(np.float64)) + apply(down, high[None].astype(np.float64))
    most = apply(up, high[None].astype(np.float64)) + apply(down, low[None].astype(np.float64))
    return tuple(  # pyright: ignore[reportReturnType]
        shift_weighted_sum(np.rint(each[0]).astype(np.int64), node.weight_exp) for each in (least, most)
    )


def _reached(node: GridNeuron, low: Array, high: Array, steps: int) -> Array:
    """Which neurons of a layer can come above their thresholds, for sums from `low` to `high`; none of a readout."""
    du, dv, bias = (np.asarray(value, np.int64) for value in (node.du, node.dv, node.bias))
    threshold = node.firing_potential
    can = np.zeros(node.shape, bool)
    if threshold is None:
        return can
    u = np.zeros((2, *node.shape), np.int64)
    v = np.zeros(node.shape, np.int64)
    for _ in range(steps):
        u = toward_zero(u * (DECAY_ONE - 1 - du), DECAY_BITS) + (np.stack([low, high]) << STATE_BITS)
        wraps = (u[0] < -U_WRAP // 2) | (u[1] >= U_WRAP // 2)
        u[0][wraps], u[1][wraps] = -U_WRAP // 2, U_WRAP // 2 - 1
        v = saturate(toward_zero(v * (DECAY_ONE - dv), DECAY_BITS) + u[1] + bias)
        can |= v > threshold
        v = np.where(v > threshold, np.maximum(threshold, 0), v)
    return can
