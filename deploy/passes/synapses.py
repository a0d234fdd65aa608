"""Which synapses feed which neurons, and the scale of each on the grid."""

from deploy.errors import ModelError, UnsupportedError
from deploy.network import Conv, Delay, Dense, Flatten, Network, Scale, SumPool


def synapses_into(network: Network, neuron: str, *, through_time: bool) -> list[str]:
    """The Dense and Conv nodes that feed a neuron directly or through Flatten, each once.

    Args:
        through_time: also through Delay and SumPool, which a weight can pass and a bias cannot.

    Raises:
        UnsupportedError: with `through_time`, where something else feeds the neuron without a synapse between.
    """
    passable = (Flatten, Delay, SumPool) if through_time else (Flatten,)
    found: list[str] = []
    waiting = network.sources(neuron)
    while waiting:
        name = waiting.pop(0)
        node = network.nodes[name]
        if isinstance(node, Dense | Conv):
            found += [name] if name not in found else []
        elif isinstance(node, passable):
            waiting += network.sources(name)
        elif through_time:
            raise UnsupportedError(
                f"{neuron}: fed by {name} ({type(node).__name__}) without a synapse; add one of weight 1"
            )
    return found


def gives_sums(network: Network, name: str) -> bool:
    """Whether a node hands on weighted sums: a synapse, or Flatten of nothing else."""
    node = network.nodes[name]
    if isinstance(node, Flatten):
        return all(gives_sums(network, source) for source in network.sources(name))
    return isinstance(node, Dense | Conv)


def refuse_silent_sources(network: Network, where: str) -> None:
    """Refuse neurons without a threshold that feed anything but the output, for places where only spikes travel.

    Raises:
        UnsupportedError: by name, with the way out.
    """
    for name, node in network.neurons.items():
        fed = [target for target in network.targets(name) if target != network.output]
        if node.is_readout and fed:
            raise UnsupportedError(
                f"{name}: feeds {', '.join(fed)} but never spikes, and {where} hands on spikes, not potentials; give "
                "it a threshold, or run the network of floats --on float"
            )


def synapse_scales(network: Network) -> dict[str, int]:
    """For each synapse of a network on the grid the k with which its weights are written as w / 2^k.

    Raises:
        ModelError: a neuron has no scale.
        UnsupportedError: neurons of different scales share a synapse, or a node has no place on the grid.
    """
    scales: dict[str, int] = {}
    for neuron in network.neurons:
        k = network.scale_bits.get(neuron)
        if k is None:
            raise ModelError(f"{neuron}: the network says no scale for it (scale_bits); quantize the network again")
        for synapse in synapses_into(network, neuron, through_time=True):
            if scales.setdefault(synapse, k) != k:
                raise UnsupportedError(f"{synapse}: feeds neurons of different scales ({scales[synapse]} and {k} bits)")
    for name, node in network.nodes.items():
        if isinstance(node, Dense | Conv) and name not in scales:
            raise UnsupportedError(f"{name}: a synapse on the grid must feed a neuron; merge it with the next one")
        if isinstance(node, Scale):
            raise UnsupportedError(f"{name}: a factor has no place on the grid; fold it before quantizing")
    return scales
