"""Search with an aim: where two models of one structure differ says which neurons to bring to their threshold."""

import time

import numpy as np

from deploy.checking.witness.climb import Climb
from deploy.checking.witness.mutations import Mutations
from deploy.checking.witness.nearness import APART, Rise, Straddle
from deploy.checking.witness.targets import Target
from deploy.network import Array, Network


class Aimed:
    """First what feeds a differing weight is made to spike, then a neuron behind it is brought to its threshold."""

    def __init__(
        self, one: Network, other: Network, found: list[Target], mutations: Mutations, rng: np.random.Generator
    ) -> None:
        self._network, self._targets = one, found
        self._straddles = [Straddle(one, other, target) for target in found]
        self._mutations, self._rng = mutations, rng
        self._hit = 0
        self._told: dict[str, str] = {}
        self.tried = 0

    @property
    def nearest(self) -> str:
        """How near the search came, in words."""
        return "; ".join(self._told.values())

    def hits(self, starts: Array, until: float) -> Array | None:
        """Recordings that differ, the fewest events first; None where time ran out, of which each layer has a share."""
        for number, (target, straddle) in enumerate(zip(self._targets, self._straddles, strict=True)):
            now = time.monotonic()
            end = now + (until - now) / (len(self._targets) - number)
            begin = self._raised(target, starts, now + (end - now) / 2)
            climb = Climb(straddle, self._mutations, self._rng)
            hits = climb.hits(begin, end)
            self.tried += climb.tried
            if hits is not None:
                self._hit = number
                return hits
            if climb.nearest < APART:
                self._told[target.layer] = (
                    f"where both potentials of {target.layer} differ, the nearest threshold was {climb.nearest:.2g} "
                    "times as far from them as they from each other"
                )
            else:
                self._told.setdefault(target.layer, f"no potential of {target.layer} differed")
        return None

    def judge(self, frames: Array) -> Array:
        """Which recordings differ in the layer in which a witness was found, (N,) bool."""
        return self._straddles[self._hit](frames).hit

    def _raised(self, target: Target, starts: Array, until: float) -> Array:
        """The starts, before them recordings in which what feeds a differing weight spikes."""
        fed = [name for name in target.inputs if name != self._network.input]
        for number, name in enumerate(fed):
            now = time.monotonic()
            climb = Climb(Rise(self._network, name, target.inputs[name]), self._mutations, self._rng)
            found = climb.hits(starts, now + (until - now) / (len(fed) - number))
            self.tried += climb.tried
            if found is not None:
                return np.concatenate([found, starts])
            self._told[target.layer] = (
                f"the weights that differ before {target.layer} are fed by neurons of {name} that never spiked, and "
                f"stayed {climb.nearest:,.0f} below their threshold"
            )
        return starts
