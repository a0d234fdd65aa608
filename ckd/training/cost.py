"""What spikes cost in joule, by the published figures of a chip."""

SYNAPSE_JOULE, NEURON_JOULE, SPIKE_JOULE = 23.6e-12, 52e-12, 29e-12
"""Of a synaptic operation, an update of a silent neuron, and what a spiking one costs more: Loihi, Davies et al., IEEE
Micro 38(1), 2018. `ckd-deploy map` adds what depends on the placement."""


def energy(operations: float, updates: float, activity: float) -> float:
    """Joule of so many synaptic operations and updates of neurons, of which the share `activity` spikes."""
    return operations * SYNAPSE_JOULE + updates * (NEURON_JOULE + activity * SPIKE_JOULE)
