"""Move delays from behind a synapse to before it: on the grid a synapse ends at neurons."""

import numpy as np

from deploy.errors import UnsupportedError
from deploy.network import Delay, Edge, Network, Node
from deploy.passes.synapses import gives_sums


def delays_first(network: Network) -> Network:
    """Every Delay that synapses alone feed, directly or through Flatten, before these synapses.

    Requires: nothing. Ensures: the same function. A delay keeps its name where it has one source.

    Raises:
        UnsupportedError: a synapse with a bias, which the delay holds back for some steps and which then would not.
    """
    for name in list(network.nodes):
        while isinstance(network.nodes[name], Delay) and _behind_linear(network, name):
            network = _swapped(network, name)
    return network


def _behind_linear(network: Network, name: str) -> bool:
    """Whether what feeds this delay are synapses, or Flatten of what synapses give, that feed nothing else."""
    sources = network.sources(name)
    alone = all(network.targets(source) == [name] for source in sources)
    return bool(sources) and alone and all(gives_sums(network, source) for source in sources)


def _swapped(network: Network, name: str) -> Network:
    """With the delay before each of its sources."""
    nodes: dict[str, Node] = dict(network.nodes)
    edges: list[Edge] = []
    renamed = {source: name if i == 0 else f"{name}_of_{source}" for i, source in enumerate(network.sources(name))}
    for source, delay in renamed.items():
        bias = getattr(nodes[source], "bias", None)
        if bias is not None and np.any(bias):
            raise UnsupportedError(
                f"{source}: its bias passes {name}, and on the grid a bias acts at once; put the delay before {source}"
            )
        nodes[delay] = network.nodes[name]
    for edge in network.edges:
        if edge[0] == name:
            edges += [(source, edge[1]) for source in renamed]
        elif edge[1] == name:
            edges.append((renamed[edge[0]], edge[0]))
        elif edge[1] in renamed:
            edges.append((edge[0], renamed[edge[1]]))
        else:
            edges.append(edge)
    return network.replace(nodes=nodes, edges=tuple(edges))
