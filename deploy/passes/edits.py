"""Small changes of a graph that the passes share."""

from collections.abc import Mapping

from deploy.network import Edge, Network, Node


def bypass(network: Network, name: str, changed: Mapping[str, Node]) -> Network:
    """Remove `name`, let its sources feed its targets, and put the `changed` nodes in place of those of their names."""
    sources = network.sources(name)
    edges: list[Edge] = []
    for edge in network.edges:
        if edge[0] == name:
            edges += [(source, edge[1]) for source in sources]
        elif edge[1] != name:
            edges.append(edge)
    nodes = {n: changed.get(n, node) for n, node in network.nodes.items() if n != name}
    return network.replace(nodes=nodes, edges=tuple(edges))


def only_source(network: Network, name: str, source: str) -> bool:
    """Whether `source` alone feeds `name`."""
    return network.sources(name) == [source]


def recurrent(network: Network, *names: str) -> bool:
    """Whether a recurrent edge begins or ends at one of `names`."""
    return any(end in names for edge in network.recurrent_edges for end in edge)
