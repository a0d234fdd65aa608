"""From what the output layer did to the class of each recording: the same on every runner."""

import numpy as np

from deploy.network import Array
from deploy.traces.layers import LayerRecord


def predict(output: LayerRecord, steps: int) -> Array:
    """The class of each recording, (R,) int64: the largest final potential of a readout, else the most spikes.

    Args:
        output: what the network's output layer did.
        steps: T, how many steps of input there were.

    A tie goes to the lowest index, on every runner alike.
    """
    given = output.aligned(output.gives, steps)
    votes = given[:, -1] if output.is_readout else given.sum(axis=1)
    return votes.reshape(len(votes), -1).argmax(axis=1).astype(np.int64)


def running_votes(output: LayerRecord, steps: int) -> Array:
    """What the classes have behind every step, (R, T, K): the potential of a readout, else the spikes so far."""
    given = output.aligned(output.gives, steps)
    given = given.reshape(*given.shape[:2], -1)
    return given if output.is_readout else given.cumsum(axis=1, dtype=np.int64)


def predict_by_step(output: LayerRecord, steps: int) -> Array:
    """The class of each recording, (R, T) int64, had it ended after each step; the last column is `predict`'s."""
    return running_votes(output, steps).argmax(axis=2).astype(np.int64)
