"""What every runner shares."""

from collections.abc import Mapping

import numpy as np

from deploy.errors import ModelError
from deploy.network import Array, Network


def output_layer(network: Network) -> str:
    """The neurons that feed the output. Raises ModelError where the output is not fed by one layer of neurons."""
    sources = network.sources(network.output)
    if len(sources) != 1 or sources[0] not in network.neurons:
        raise ModelError(f"{network.output}: is fed by {sources}; a prediction needs one layer of neurons there")
    return sources[0]


def predict(
    network: Network, spikes: Mapping[str, Array], v: Mapping[str, Array], shifts: Mapping[str, int], steps: int
) -> Array:
    """The class of each recording, (R,) int64: the largest final potential of a readout, else the most spikes.

    Args:
        network: its output layer decides.
        spikes: (R, T', ...) by neuron name, of spiking layers.
        v: (R, T', ...) by neuron name, of readouts at least.
        shifts: the step at which each layer sees the first input.
        steps: T, how many steps of input there were.

    A tie goes to the lowest index, on every runner alike.
    """
    return vote(output_layer(network), spikes, v, shifts, steps)


def vote(
    name: str, spikes: Mapping[str, Array], v: Mapping[str, Array], shifts: Mapping[str, int], steps: int
) -> Array:
    """As `predict`, where the name of the output layer is known."""
    first = shifts[name]
    votes = spikes[name][:, first : first + steps].sum(axis=1) if name in spikes else v[name][:, first + steps - 1]
    return votes.reshape(len(votes), -1).argmax(axis=1).astype(np.int64)
