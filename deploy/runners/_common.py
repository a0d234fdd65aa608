"""What every runner shares."""

from collections.abc import Mapping

import numpy as np

from deploy.errors import ModelError
from deploy.network import Array, GridNeuron, Network, Neuron


def output_layer(network: Network) -> str:
    """The neurons that feed the output. Raises ModelError where the output is not fed by one layer of neurons."""
    sources = network.sources(network.output)
    if len(sources) != 1 or sources[0] not in network.neurons:
        raise ModelError(f"{network.output}: is fed by {sources}; a prediction needs one layer of neurons there")
    return sources[0]


def predict(network: Network, spikes: Mapping[str, Array], v_last: Mapping[str, Array]) -> Array:
    """The class of each recording, (R,) int64: the largest final potential of a readout, else the most spikes.

    Args:
        network: its output layer decides.
        spikes: (R, T, ...) by neuron name, the T input steps of that layer.
        v_last: (R, ...) potential after the layer's last input step, by neuron name; needed for a readout.

    A tie goes to the lowest index, on every runner alike.
    """
    name = output_layer(network)
    node = network.nodes[name]
    assert isinstance(node, Neuron | GridNeuron)
    readout = (node.vth if isinstance(node, GridNeuron) else node.threshold) is None
    votes = v_last[name] if readout else spikes[name].sum(axis=1)
    return votes.reshape(len(votes), -1).argmax(axis=1).astype(np.int64)
