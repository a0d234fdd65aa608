"""What the search stands on: cuts that change nothing, bounds that hold, signs that are right, shrinking that ends."""

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from benchmarks.second.networks import NETWORKS, frames_for
from deploy.checking.witness.bounds import can_spike
from deploy.checking.witness.cut import cut
from deploy.checking.witness.influence import influence
from deploy.checking.witness.nearness import potentials
from deploy.checking.witness.shrink import shrink
from deploy.network import Array, Conv, Flatten, Input, Network, Output, SumPool
from deploy.runners import integer
from tests import builders
from tests.deploy.runners.reference import simulate
from tests.graphs.grid import networks


def test_a_layer_behind_a_cut_does_what_it_does_in_the_whole_network() -> None:
    spiked, cuts = [], []

    @settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(networks())
    def same(case: tuple[Network, Array]) -> None:
        network, frames = case
        whole = integer.run(network, frames, states=len(frames))
        for layer, shape in ((name, network.shapes[name]) for name in network.neurons):
            rows = np.arange(0, shape[0], 2)
            part = cut(network, layer, rows)
            arriving = frames
            if part.before is not None:
                arriving = integer.run(part.before, frames).layers[part.source].output.view(np.uint8)
            found = integer.run(part.behind, arriving, states=len(frames)).layers[layer]
            rows = np.arange(shape[0]) if part.rows is None else part.rows
            for kind in found.kinds:
                assert np.array_equal(found[kind], whole.layers[layer][kind][:, :, rows]), (layer, kind)
            cuts.append((part.before is not None, part.rows is not None))
            spiked.append(bool(np.any(whole.layers[layer].output)))

    same()
    assert np.mean(spiked) > 0.3 and np.mean(cuts, axis=0).min() > 0.1, "hardly anything was cut"


def test_a_neuron_that_is_said_never_to_spike_never_does() -> None:
    never, often = [], []

    @settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(networks())
    def holds(case: tuple[Network, Array]) -> None:
        network, frames = case
        can = can_spike(network, frames.shape[1], int(frames.max(initial=1)))
        if can is None:
            return
        found = simulate(network, frames)
        for name in network.neurons:
            spiked = np.any(found.spikes[name], axis=(0, 1))
            assert not np.any(spiked & ~can[name]), name
            never.append(np.mean(~can[name]))
            often.append(np.mean(spiked))

    holds()
    assert np.mean(never) > 0.02 and np.mean(often) > 0.1, "nothing was bounded, or nothing spiked"


@pytest.mark.parametrize("name", NETWORKS)
def test_the_potential_before_the_reset_is_what_the_neurons_compare(name: str) -> None:
    network = NETWORKS[name]()
    trace = integer.run(network, frames_for(network), states=8)
    for layer, record in trace.spiking.items():
        node = network.neurons[layer]
        v = potentials(node, record)  # pyright: ignore[reportArgumentType]
        assert np.array_equal(v > node.firing_potential, record.output) and record.output.any()


def test_influence_is_how_much_an_event_raises_a_sum() -> None:
    rng = np.random.default_rng(3)
    network = builders.chain(
        in_=Input(shape=(4, 9, 7)),
        pool=SumPool(kernel=(2, 2), stride=(2, 1), padding=(1, 0)),
        conv=Conv(weight=builders.even(rng, 6, 2, 3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2),
        flatten=Flatten(),
        lif=builders.cells(6 * 3 * 4, vth=None, dv=0),
        output=Output(),
    )
    frames = np.eye(4 * 9 * 7, dtype=np.uint8).reshape(-1, 1, 4, 9, 7)
    sums = integer.run(network, frames).layers["lif"].output[:, 0] // 64
    assert np.any(sums)
    for neuron in range(0, 6 * 3 * 4, 7):
        assert np.array_equal(influence(network, "lif", (neuron,)).ravel(), sums[:, neuron])


def test_shrinking_leaves_the_events_that_matter() -> None:
    frames = (np.random.default_rng(0).random((5, 2, 8, 8)) < 0.5).astype(np.uint8) * 3
    needed = np.flatnonzero(frames)[[3, 50, 51, 120]]

    def differs(given: Array) -> Array:
        flat = given.reshape(len(given), -1)[:, needed]
        return (flat[:, :3] > 0).all(axis=1) & (flat[:, 3] > 1)

    left = shrink(frames, differs, time.monotonic() + 60)
    assert np.array_equal(np.flatnonzero(left), needed) and left.ravel()[needed].tolist() == [1, 1, 1, 2]
