"""The integer simulator equals the reference on random networks: spikes, u, v and overflows, however time is cut."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from deploy.network import Network
from deploy.runners import integer
from deploy.runners.walk import SCHEDULES
from tests.deploy.runners.random_networks import cases
from tests.deploy.runners.reference import Reference, simulate

Frames = NDArray[np.uint8]
Result = dict[str, dict[str, NDArray[np.generic]]]


def assert_equal(result: Result, overflows: dict[str, int], reference: Reference) -> None:
    for name, node in reference.network.neurons.items():
        for kind in ("u", "v") if node.vth is None else ("spikes", "u", "v"):  # pyright: ignore
            expected = np.stack(getattr(reference, kind)[name], axis=1)
            assert np.array_equal(result[kind][name], expected), f"{kind} of {name}"
    assert overflows == reference.overflows


def check(case: tuple[Network, Frames], schedule: str) -> Reference:
    """All steps at once, cut in two, and one by one."""
    network, frames = case
    reference = simulate(network, frames, schedule)
    for cuts in ([], [1], range(1, frames.shape[1])):
        simulator = integer.Simulator(network, len(frames), schedule=schedule, states=True)
        parts = [simulator.advance(part) for part in np.split(frames, cuts, axis=1) if part.shape[1]]
        whole = {
            kind: {name: np.concatenate([part[kind][name] for part in parts], axis=1) for name in parts[0][kind]}
            for kind in parts[0]
        }
        assert_equal(whole, simulator.overflows, reference)
    return reference


def property_test(examples: int) -> Callable[[], None]:
    """A test of that many random networks; it fails if hardly any of them spiked, wrapped or saturated."""

    def test() -> None:
        spikes, overflows = [], []

        @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
        @given(cases(), st.sampled_from(SCHEDULES))
        def equal(case: tuple[Network, Frames], schedule: str) -> None:
            reference = check(case, schedule)
            spikes.append(sum(int(np.sum(steps)) for steps in reference.spikes.values()))
            overflows.append(sum(reference.overflows.values()))

        equal()
        assert np.mean(np.array(spikes) > 0) > 0.4
        assert np.mean(np.array(overflows) > 0) > 0.05

    return test


test_random_networks_equal_the_reference = property_test(100)
test_many_random_networks_equal_the_reference = pytest.mark.long(property_test(2500))
