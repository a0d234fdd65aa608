"""Networks on the grid for benchmarks: random weights, thresholds with which every layer spikes as often as asked."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from deploy.grid import VTH_MAX
from deploy.network import Array, Conv, Dense, Flatten, GridNeuron, Input, Network, Node, Output, SumPool
from deploy.network.shapes import output_shape
from deploy.runners import integer

SMALL = "16-AP-32-AP-64-AP"
PAPER = "64-128-AP-256-256-AP-512-512-AP-512-512-AP"


def chain(nodes: dict[str, Node]) -> Network:
    return Network(nodes=nodes, edges=tuple(pairwise(nodes)))


def stack(synapses: dict[str, Node], shape: tuple[int, ...]) -> Network:
    """A chain of synapses, each convolution and dense layer followed by LIF neurons that keep half their potential."""
    nodes: dict[str, Node] = {"input": Input(shape=shape)}
    for name, node in synapses.items():
        nodes[name] = node
        shape = output_shape(name, node, shape)
        if isinstance(node, Dense | Conv):
            nodes[f"{name}_lif"] = GridNeuron(
                shape=shape, du=np.array(4095), dv=np.array(2048), vth=np.array(VTH_MAX), bias=np.array(0)
            )
    return chain(nodes | {"output": Output()})


def mlp(*widths: int, seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    dense = {f"dense{i}": Dense(weight=weights(rng, n, m)) for i, (m, n) in enumerate(pairwise(widths), 1)}
    return stack({**dense}, (widths[0],))


def small_conv(seed: int = 0) -> Network:
    """34 x 34 x 2 -> 8 channels, 5 x 5, stride 2 -> 16, 3 x 3, stride 2 -> 10."""
    rng = np.random.default_rng(seed)
    synapses: dict[str, Node] = {
        "conv1": Conv(weight=weights(rng, 8, 2, 5, 5), stride=(2, 2), padding=(2, 2)),
        "conv2": Conv(weight=weights(rng, 16, 8, 3, 3), stride=(2, 2), padding=(1, 1)),
        "flatten": Flatten(),
        "dense": Dense(weight=weights(rng, 10, 16 * 9 * 9)),
    }
    return stack(synapses, (2, 34, 34))


def vgg(widths: str, size: int, first_padding: int = 1, seed: int = 0) -> Network:
    """The student of `ckd.models.student.build_vgg` with ten classes; pooling sums instead of averaging."""
    rng = np.random.default_rng(seed)
    synapses: dict[str, Node] = {}
    channels, shape = 2, (2, size, size)
    for word in widths.split("-"):
        name = f"{'pool' if word == 'AP' else 'conv'}{len(synapses)}"
        if word == "AP":
            synapses[name] = SumPool(kernel=(2, 2), stride=(2, 2))
        else:
            padding = 1 if synapses else first_padding
            synapses[name] = Conv(weight=weights(rng, int(word), channels, 3, 3), padding=(padding, padding))
            channels = int(word)
        shape = output_shape(name, synapses[name], shape)
    synapses |= {"flatten": Flatten(), "dense": Dense(weight=weights(rng, 10, int(np.prod(shape))))}
    return stack(synapses, (2, size, size))


def weights(rng: np.random.Generator, *shape: int) -> Array:
    """Weights of eight bits and mixed sign: even, as the chip has them."""
    return (rng.normal(0, 30, shape).clip(-127, 127).round() * 2).astype(np.int32)


def events(network: Network, recordings: int, steps: int, rate: float, seed: int = 1) -> Array:
    """Frames in which each input spikes with probability `rate`."""
    shape = (recordings, steps, *network.input_shape)
    return (np.random.default_rng(seed).random(shape, dtype=np.float32) < rate).astype(np.uint8)


def at_activity(network: Network, rate: float) -> Network:
    """The network with one threshold a layer, by bisection, such that each spikes with probability `rate`."""
    frames = events(network, 2, 8, rate, seed=2)
    nodes = dict(network.nodes)
    names = list(nodes)
    for name in network.neurons:
        node = nodes[name]
        assert isinstance(node, GridNeuron)
        low, high = 0, VTH_MAX
        while low < high:
            middle = (low + high) // 2
            nodes[name] = replace(node, vth=np.array(middle))
            until_here = {n: nodes[n] for n in names[: names.index(name) + 1]}
            spikes = integer.run(chain({**until_here, "output": Output()}), frames).layers[name].output
            low, high = (middle + 1, high) if spikes.mean() > rate else (low, middle)
        nodes[name] = replace(node, vth=np.array(low))
    return network.replace(nodes=nodes)
