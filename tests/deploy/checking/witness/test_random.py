"""One bit of a random network: whatever is found, differs for the plain simulation too; what is proven never does."""

from collections import Counter

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deploy
from benchmarks.mutants import mutate
from deploy.network import Array, Network
from tests.deploy.checking.witness.test_witness import differ
from tests.graphs.grid import networks


def test_what_is_found_differs_and_what_is_proven_does_not() -> None:
    ended = Counter[str]()

    @settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(networks(), st.integers(0, 1000))
    def holds(case: tuple[Network, Array], seed: int) -> None:
        network, frames = case
        other = mutate(network, np.random.default_rng(seed)).network
        sought = deploy.witness(network, other, frames=frames, seconds=0.05)
        if sought.witness is not None:
            assert differ(network, other, sought.witness.frames)
            assert sought.witness.frames.max(initial=0) <= max(1, frames.max(initial=0))
        elif sought.proven is not None:
            assert not differ(network, other, frames)
        ended["found" if sought else "proven" if sought.proven else "none"] += 1

    holds()
    assert ended["found"] and ended["proven"], ended
