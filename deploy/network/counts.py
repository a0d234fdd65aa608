"""How large the counts that enter a synapse can become: what proofs that sums are exact begin with."""

from math import prod

from deploy.network import Conv, Dense, GridNeuron, Network, SumPool


def largest_counts(network: Network, max_count: int) -> dict[str, int]:
    """For every node that can feed a synapse, the largest element of its output: 1 after a neuron, more if pooled."""
    counts = {network.input: max_count}
    for name in network.order:
        node = network.nodes[name]
        if isinstance(node, GridNeuron):
            counts[name] = 1
        elif name not in counts and not isinstance(node, Dense | Conv):
            window = prod(node.kernel) if isinstance(node, SumPool) else 1
            # A source without an entry lies on a recurrent edge, over which spikes travel.
            counts[name] = window * sum(counts.get(source, 1) for source in network.sources(name))
    return counts
