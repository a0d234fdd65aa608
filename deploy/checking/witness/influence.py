"""Which inputs raise or lower the potential of one neuron: its receptive field with signs, back through the weights.

Layers between are taken for linear, so it is a guide for a search and proves nothing.
"""

import numpy as np

from deploy.network import Array, Conv, Delay, Dense, Flatten, Network, Neuron, Shape, SumPool


def influence(network: Network, layer: str, neuron: tuple[int, ...]) -> Array:
    """(*input_shape) float: positive where an event raises the potential of `neuron` of `layer`."""
    wanted = np.zeros(network.shapes[layer])
    wanted[neuron] = 1
    arriving = dict.fromkeys(_before(network, layer), wanted)
    for name in reversed(network.order[: network.order.index(layer)]):
        if name == network.input or name not in arriving:
            continue
        there = _back(network, name, arriving[name])
        for source in _before(network, name):
            arriving[source] = arriving.get(source, 0) + there
    return arriving.get(network.input, np.zeros(network.input_shape))


def _before(network: Network, name: str) -> list[str]:
    return [source for source in network.sources(name) if (source, name) not in network.recurrent_edges]


def _back(network: Network, name: str, wanted: Array) -> Array:
    """What the sources of a node have to do with what is wanted of it."""
    shape = network.shapes[_before(network, name)[0]]
    match network.nodes[name]:
        case Dense() as node:
            return wanted @ node.weight * 2.0**node.weight_exp
        case Conv() as node:
            return _back_windows(node.weight * 2.0**node.weight_exp, node, wanted, shape)
        case SumPool() as node:
            ones = np.ones((shape[0], 1, *node.kernel))
            return _back_windows(
                ones, Conv(weight=ones, stride=node.stride, padding=node.padding, groups=shape[0]), wanted, shape
            )
        case Flatten():
            return wanted.reshape(shape)
        case Neuron():
            return wanted / max(np.abs(wanted).max(), 1e-300)
        case Delay():
            return wanted
        case node:
            raise AssertionError(node)


def _back_windows(weight: Array, node: Conv, wanted: Array, shape: Shape) -> Array:
    (p, q), (down, right) = node.padding, node.stride
    channels, height, width = shape
    rows, columns = wanted.shape[1:]
    padded = np.zeros((channels, height + 2 * p, width + 2 * q))
    grouped = wanted.reshape(node.groups, -1, rows * columns)
    weights = weight.reshape(node.groups, -1, *weight.shape[1:])
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            top, left = i * node.dilation[0], j * node.dilation[1]
            given = np.matmul(weights[..., i, j].swapaxes(1, 2), grouped).reshape(channels, rows, columns)
            bottom, end = top + (rows - 1) * down + 1, left + (columns - 1) * right + 1
            padded[:, top:bottom:down, left:end:right] += given
    return padded[:, p : p + height, q : q + width]
