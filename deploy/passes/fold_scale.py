"""Multiply factors into weights, or into the gain of neurons."""

from dataclasses import replace

import numpy as np

from deploy.network import Array, Conv, Delay, Dense, Flatten, FloatNeuron, Network, Node, Scale, Shape, SumPool
from deploy.passes.edits import bypass, only_source, recurrent

Changes = dict[str, Node]


def fold_scale(network: Network) -> Network:
    """Multiply every `Scale` into what follows it, else into the synapse before it.

    A factor passes Flatten and Delay, and pooling where it is one value a channel. Dense takes any factor, Conv one a
    channel, a neuron any (its gain).

    Requires: a float network. Ensures: the same function; each weight is rounded to its type once.
    """
    for name, node in list(network.nodes.items()):
        if not isinstance(node, Scale) or recurrent(network, name):
            continue
        factor = np.broadcast_to(node.factor.astype(np.float64), network.shapes[name])
        changes = _forward(network, name, factor)
        if changes is None:
            changes = _backward(network, name, factor)
        if changes is not None:
            network = bypass(network, name, changes)
    return network


def _forward(network: Network, name: str, factor: Array) -> Changes | None:
    """The nodes behind `name` with the factor in them; None where one of them cannot take it."""
    changes: Changes = {}
    for target in network.targets(name):
        node = network.nodes[target]
        if not only_source(network, target, name):
            return None
        match node:
            case Dense():
                changes[target] = replace(node, weight=_times(node.weight, factor))
            case Conv() if _per_channel(factor):
                changes[target] = replace(node, weight=_times(node.weight, _of_inputs(factor, node)))
            case FloatNeuron() if node.has_current:
                changes[target] = replace(node, current_gain=_gain(node.input_gain, factor))
            case FloatNeuron():
                changes[target] = replace(node, gain=_gain(node.gain, factor))
            case Flatten() | Delay() | SumPool():
                if isinstance(node, SumPool) and not _per_channel(factor):
                    return None
                behind = _forward(network, target, _through(factor, network.shapes[target]))
                if behind is None:
                    return None
                changes |= behind
            case _:
                return None
    return changes


def _backward(network: Network, name: str, factor: Array) -> Changes | None:
    """The synapse that feeds only `name`, with the factor in its weights and bias."""
    sources = network.sources(name)
    node = network.nodes[sources[0]]
    if len(sources) != 1 or len(network.targets(sources[0])) != 1 or not isinstance(node, Dense | Conv):
        return None
    if isinstance(node, Conv) and not _per_channel(factor):
        return None
    outputs = factor.reshape(len(factor), -1)[:, 0]
    weight = _times(node.weight, outputs.reshape(-1, *(1,) * (node.weight.ndim - 1)))
    return {sources[0]: replace(node, weight=weight, bias=None if node.bias is None else _times(node.bias, outputs))}


def _per_channel(factor: Array) -> bool:
    flat = factor.reshape(len(factor), -1)
    return bool(np.all(flat == flat[:, :1]))


def _of_inputs(factor: Array, node: Conv) -> Array:
    """One factor per weight: output channels of group g see the input channels of group g."""
    groups = factor.reshape(len(factor), -1)[:, 0].reshape(node.groups, -1)
    return np.repeat(groups, node.weight.shape[0] // node.groups, axis=0)[:, :, None, None]


def _through(factor: Array, shape: Shape) -> Array:
    """The factor behind Flatten, Delay or pooling."""
    if factor.size == np.prod(shape):
        return factor.reshape(shape)
    return np.broadcast_to(factor.reshape(len(factor), -1)[:, :1, None], shape)


def _times(values: Array, factor: Array) -> Array:
    return (values.astype(np.float64) * factor).astype(values.dtype)


def _gain(gain: Array, factor: Array) -> Array:
    same = factor.ravel()[:1].reshape(()) if np.ptp(factor) == 0 else factor
    return np.asarray(_times(gain, same), gain.dtype)
