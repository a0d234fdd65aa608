"""How near each neuron ever comes to doing otherwise."""

from dataclasses import dataclass

import numpy as np

from deploy.checking.coverage.replayed import Replayed
from deploy.network import Array

NEAR = 0.1
"""Of the threshold: a neuron that never comes so near is far."""


@dataclass
class Approach:
    """One spiking layer: nearest (*shape), the smallest change of the potential that would have added or taken a spike;
    spikes (*shape), how many there were; threshold (*shape), in units of the potential."""

    layer: str
    nearest: Array
    spikes: Array
    threshold: Array

    @classmethod
    def of(cls, seen: Replayed) -> "Approach":
        threshold = seen.node.firing_potential
        assert threshold is not None
        over = seen.potential - threshold
        change = np.where(over > 0, over, 1 - over)
        return cls(
            layer=seen.layer,
            nearest=change.min(axis=(0, 1)),
            spikes=seen.spikes.sum(axis=(0, 1)),
            threshold=np.broadcast_to(threshold, seen.node.shape),
        )

    def joined(self, other: "Approach") -> "Approach":
        """The same over the recordings of both."""
        nearest = np.minimum(self.nearest, other.nearest)
        return Approach(self.layer, nearest, self.spikes + other.spikes, self.threshold)

    @property
    def silent(self) -> Array:
        """Neurons that never spiked, (*shape) bool."""
        return self.spikes == 0

    @property
    def far(self) -> Array:
        """Neurons that never came within `NEAR` of their threshold, from either side, (*shape) bool."""
        return self.nearest > NEAR * np.abs(self.threshold)
