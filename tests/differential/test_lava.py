"""Random networks of a chip in Lava: every spike, u and v equal to the reference, or refused."""

from pathlib import Path

import numpy as np
import pytest

from deploy.network import Array, Network
from deploy.passes.fold_pooling import fold_pooling
from deploy.runners.lava import fixed as lava
from tests.deploy.marks import needs_lava
from tests.deploy.runners.reference import simulate
from tests.differential.grid_routes import assert_aligned
from tests.differential.tally import Tally
from tests.graphs.grid import chip_case


def compare(network: Network, frames: Array, late: set[tuple[str, str]]) -> None:
    """Lava has no pooling: what it runs has it in its weights, and is held against the network that pools."""
    wanted = simulate(network, frames, late=late)
    assert not any(wanted.overflows.values()), "the test network wraps; choose smaller weights"
    assert_aligned(lava.run(fold_pooling(network), frames, states=len(frames)), wanted)


def test_what_is_refused_of_random_networks_is_on_the_list(tmp_path: Path) -> None:
    """Without Lava: what its worker would be given."""
    tally = Tally()
    for seed in range(220):
        network, frames, _ = chip_case(seed)
        folded = fold_pooling(network)
        tally.follow("lava", lambda case=(folded, frames): lava.prepare(*case, tmp_path))
    assert 0.7 < tally.share("lava") < 1 and len(tally.refused) == 2


@needs_lava
@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 220), marks=pytest.mark.long)])
def test_random_networks_are_the_same_spike_by_spike_or_refused(seeds: range) -> None:
    tally, spiking = Tally(), list[bool]()
    for seed in seeds:
        network, frames, late = chip_case(seed)
        try:
            tally.follow("lava", lambda case=(network, frames, late): compare(*case))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        spiking.append(any(np.any(steps) for steps in simulate(network, frames, late=late).spikes.values()))
    print(f"{len(seeds)} networks in Lava\n{tally}")
    assert tally.share("lava") > 0.7 and np.mean(spiking) > 0.9
