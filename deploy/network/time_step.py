"""Which step a float network's constants suggest: the one with which an input of 1 raises potentials by 1."""

from collections import Counter

import numpy as np

from deploy.network.graph import Network
from deploy.network.neurons import FloatNeuron

TOLERANCE = 0.01
"""Two steps that differ by less are the same one; constants are float32, and some tools round them."""


def suggested_step(network: Network) -> float | None:
    """The step in seconds that most layers' constants fit, None where it is the network's own or they say none.

    Tools that count in steps write r = 1 / dt for an integrator and r = tau / dt for a leaky neuron. A resistance of 1
    beside a leak says nothing: many tools write it whatever the step.
    """
    said: Counter[float] = Counter()
    for node in network.neurons.values():
        if not isinstance(node, FloatNeuron):
            continue
        gain = float(np.median(np.asarray(node.gain, np.float64)))
        rate = 1 - float(np.median(np.asarray(node.keep, np.float64)))
        if gain > 0 and rate < gain * (1 - TOLERANCE):
            said[float(f"{network.dt / gain:.3g}")] += 1
    if not said:
        return None
    step = said.most_common(1)[0][0]
    return None if abs(step / network.dt - 1) < TOLERANCE else step
