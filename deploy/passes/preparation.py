"""The form the quantizer needs: every neuron fed by synapses of its own, nothing linear left between them."""

import numpy as np

from deploy.errors import UnsupportedError
from deploy.network import Conv, Delay, Dense, Edge, Flatten, FloatNeuron, Input, Network, Node, Output, Scale, SumPool
from deploy.passes.delays_first import delays_first
from deploy.passes.even_gain import even_gain, per_channel
from deploy.passes.fold_linear import fold_linear
from deploy.passes.synapses import gives_sums, refuse_silent_sources

WAY_OUT: dict[type, str] = {
    SumPool: "let the convolution behind it have no padding, or its windows not overlap and leave no row over",
    Scale: "give it one factor a channel, or place it before a dense layer",
}


def prepare_for_grid(network: Network) -> Network:
    """Fold pooling and scaling, give every neuron synapses that feed it alone.

    Ensures: only Input, Output, Dense, Conv, Flatten, Delay and FloatNeuron nodes; each neuron's sources are Dense or
    Conv nodes, or Flatten of such, with no other target; every synapse feeds a neuron; what feeds on, spikes.

    Raises:
        UnsupportedError: a node that could not be folded, by name.
    """
    network = _explicit_synapses(delays_first(_factors_as_synapses(fold_linear(network))))
    network = even_gain(_own(_own(network, Flatten), Dense, Conv))
    refuse_silent_sources(network, "the grid")
    allowed = (Input, Output, Dense, Conv, Flatten, Delay, FloatNeuron)
    for name, node in network.nodes.items():
        if not isinstance(node, allowed):
            raise UnsupportedError(
                f"{name}: a {type(node).__name__} here cannot be folded into a synapse, and the grid has none; "
                + WAY_OUT.get(type(node), "place it before a convolution or dense layer")
            )
        if isinstance(node, Dense | Conv):
            stray = [t for t in _ends(network, name) if not isinstance(network.nodes[t], FloatNeuron)]
            if stray:
                raise UnsupportedError(
                    f"{name}: feeds {', '.join(stray)}, which is no neuron; on the grid every synapse ends at neurons"
                )
    return network


def _factors_as_synapses(network: Network) -> Network:
    """A factor that nothing else could take, between spikes and neurons, as a synapse from each neuron to its own."""
    nodes: dict[str, Node] = dict(network.nodes)
    for name, node in network.nodes.items():
        if not isinstance(node, Scale) or any(gives_sums(network, source) for source in network.sources(name)):
            continue
        if not all(isinstance(network.nodes[target], FloatNeuron) for target in network.targets(name)):
            continue
        shape = network.shapes[name]
        factor = np.broadcast_to(node.factor, shape)
        if len(shape) == 1:
            nodes[name] = Dense(weight=np.diag(factor))
        elif per_channel(factor, shape[0]):
            weight = factor.reshape(shape[0], -1)[:, :1, None, None]
            nodes[name] = Conv(weight=np.ascontiguousarray(weight), groups=shape[0])
    return network.replace(nodes=nodes)


def _explicit_synapses(network: Network) -> Network:
    """Spikes that reach a neuron directly get a synapse of weight 1, which then has the layer's scale."""
    nodes: dict[str, Node] = dict(network.nodes)
    edges: list[Edge] = []
    for source, target in network.edges:
        if gives_sums(network, source) or not isinstance(network.nodes[target], FloatNeuron):
            edges.append((source, target))
            continue
        name = f"{source}_to_{target}"
        nodes[name] = _identity(network.shapes[source])
        edges += [(source, name), (name, target)]
    return network.replace(nodes=nodes, edges=tuple(edges))


def _identity(shape: tuple[int, ...]) -> Conv | Dense:
    if len(shape) == 1:
        return Dense(weight=np.eye(shape[0], dtype=np.float32))
    return Conv(weight=np.ones((shape[0], 1, 1, 1), np.float32), groups=shape[0])


def _own(network: Network, *kinds: type[Node]) -> Network:
    """What gives sums to several neurons becomes one copy for each: their scales will differ."""
    nodes: dict[str, Node] = dict(network.nodes)
    edges = list(network.edges)
    for name, node in network.nodes.items():
        if not isinstance(node, kinds) or not gives_sums(network, name):
            continue
        for target in network.targets(name)[1:]:
            copy = f"{name}_to_{target}"
            nodes[copy] = node
            edges[edges.index((name, target))] = (copy, target)
            edges += [(source, copy) for source in network.sources(name)]
    return network.replace(nodes=nodes, edges=tuple(edges))


def _ends(network: Network, name: str) -> list[str]:
    """What a synapse feeds, directly or through Flatten."""
    ends: list[str] = []
    for target in network.targets(name):
        ends += _ends(network, target) if isinstance(network.nodes[target], Flatten) else [target]
    return ends
