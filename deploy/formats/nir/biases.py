"""Where a neuron's bias stands in a NIR file: on the synapse that feeds it, else in its leak potential.

NIR's neurons have no bias. A bias on the synapse is exact for any leak, but only where one value serves a channel of a
convolution, where the current passes at once, and where nothing but this neuron is fed.
"""

from dataclasses import dataclass, field

import numpy as np

from deploy.errors import UnsupportedError
from deploy.formats.nir import scales
from deploy.network import Array, Conv, Dense, Flatten, FloatNeuron, GridNeuron, Network, Neuron
from deploy.passes.synapses import synapses_into


@dataclass
class Biases:
    """`moved`: neurons whose bias stands on a synapse; `added`: what each synapse carries for its neuron."""

    network: Network
    moved: set[str] = field(default_factory=set)
    added: dict[str, Array] = field(default_factory=dict)

    def of_synapse(self, name: str) -> Array | None:
        """The bias to write on a synapse, its own included; float32, (outputs,)."""
        node = self.network.nodes[name]
        assert isinstance(node, Dense | Conv)
        added = self.added.get(name)
        if added is None:
            return None if node.bias is None else np.asarray(node.bias, np.float32)
        return added if node.bias is None else (added + node.bias).astype(np.float32)


def place_biases(network: Network) -> Biases:
    """Decide for every neuron with a bias where it is written.

    Raises:
        UnsupportedError: nowhere: the neuron has no leak and no synapse can carry the bias.
    """
    biases = Biases(network)
    for name, node in network.neurons.items():
        if not np.any(node.bias):
            continue
        if _must_leak(node):
            continue
        for synapse in synapses_into(network, name, through_time=False):
            value = _on_synapse(network, synapse, name, node)
            if value is not None:
                biases.moved.add(name)
                biases.added[synapse] = value
                break
        else:
            if not node.leaks:
                raise UnsupportedError(
                    f"{name}: has a bias, no leak, and no synapse of its own to carry it per channel; NIR cannot say "
                    "it. Give it a leak, or one bias a channel"
                )
    return biases


def _must_leak(node: Neuron) -> bool:
    """A synapse's bias would pass through a decaying current; a float neuron that leaks has v_leak for it."""
    return node.has_current or (isinstance(node, FloatNeuron) and node.leaks)


def _on_synapse(network: Network, synapse: str, name: str, node: Neuron) -> Array | None:
    """The bias per output of `synapse`, or None where it cannot stand there."""
    recurrent = {end for edge in network.recurrent_edges for end in edge}
    if synapse in recurrent or not _feeds_only(network, synapse, name):
        return None
    bias = np.asarray(node.bias, np.float64)
    if isinstance(node, GridNeuron):
        bias = bias / scales.state_units(network.scale_bits.get(name, 0))
    elif isinstance(node, FloatNeuron):
        if not np.all(node.gain):
            return None
        bias = bias / node.gain
    shape = network.shapes[synapse]
    full = np.broadcast_to(bias, node.shape).reshape(shape[0], -1)
    if np.any(full != full[:, :1]):
        return None
    return scales.exact32(name, "bias", full[:, 0]) if isinstance(node, GridNeuron) else full[:, 0].astype(np.float32)


def _feeds_only(network: Network, synapse: str, name: str) -> bool:
    while synapse != name:
        targets = network.targets(synapse)
        if len(targets) != 1 or (targets[0] != name and not isinstance(network.nodes[targets[0]], Flatten)):
            return False
        synapse = targets[0]
    return True
