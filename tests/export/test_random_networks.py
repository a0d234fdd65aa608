"""The quantized student in torch equals the integer simulator on random networks: spikes, u, v and overflows."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from deploy.errors import GridError
from deploy.network import Array, Network
from deploy.runners import integer
from deploy.runners.walk import SCHEDULES
from export.integer import IntegerNetwork
from tests.deploy.runners.random_networks import cases


def check(network: Network, frames: Array, schedule: str) -> int:
    """Compare one case; gives its number of spikes."""
    try:
        module = IntegerNetwork(network, max_count=int(frames.max(initial=1)))
    except GridError:
        assume(False)  # float32 cannot hold its sums, and it says so
        raise
    simulator = integer.Simulator(network, len(frames), schedule=schedule, states=True)
    expected = simulator.advance(frames)
    activity = module(torch.from_numpy(frames), schedule=schedule, states=True)
    for kind, layers in expected.items():
        for name, values in layers.items():
            assert np.array_equal(getattr(activity, kind)[name].numpy(), values), f"{kind} of {name}"
    assert activity.overflows == simulator.overflows
    return sum(int(spikes.sum()) for spikes in expected["spikes"].values())


def property_test(examples: int) -> Callable[[], None]:
    """A test of that many random networks; it fails if most of them never spiked."""

    def test() -> None:
        spikes = []

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        @given(cases(), st.sampled_from(SCHEDULES))
        def equal(case: tuple[Network, Array], schedule: str) -> None:
            spikes.append(check(*case, schedule))

        equal()
        assert np.mean(np.array(spikes) > 0) > 0.4

    return test


test_random_networks_are_the_same_in_torch = property_test(60)
test_many_random_networks_are_the_same_in_torch = pytest.mark.long(property_test(2000))
