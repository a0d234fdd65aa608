"""From what the output layer did to the class of each recording: the same on every runner."""

from collections.abc import Mapping

import numpy as np

from deploy.network import Array, Network


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
    return vote(network.output_layer, spikes, v, shifts, steps)


def vote(
    name: str, spikes: Mapping[str, Array], v: Mapping[str, Array], shifts: Mapping[str, int], steps: int
) -> Array:
    """As `predict`, where the name of the output layer is known."""
    first = shifts[name]
    votes = spikes[name][:, first : first + steps].sum(axis=1) if name in spikes else v[name][:, first + steps - 1]
    return votes.reshape(len(votes), -1).argmax(axis=1).astype(np.int64)
