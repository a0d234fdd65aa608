"""Frames on which two runs differ are found, differ for an independent simulation too, and hold no event in vain."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import deploy
from benchmarks.faults import node
from benchmarks.faulty_runner import Faults
from benchmarks.faulty_runner import run as run_faulty
from deploy.errors import DeployError, UnsupportedError
from deploy.network import Array, Conv, Dense, Flatten, GridNeuron, Input, Network, Output
from deploy.passes.to_float import to_float
from tests import builders
from tests.deploy.runners.reference import simulate

SECONDS = 60
"""Enough on a slow machine; what is to be found takes less than one."""


def outputs(network: Network, frames: Array) -> list[Array]:
    """The spikes of every layer and the potentials of readouts, by the plain simulation."""
    found = simulate(network, frames)
    return [
        np.stack((found.v if node.is_readout else found.spikes)[name], axis=1) for name, node in network.neurons.items()
    ]


def differ(one: Network, other: Network, frames: Array) -> bool:
    return any(not np.array_equal(a, b) for a, b in zip(outputs(one, frames), outputs(other, frames), strict=True))


def put(values: Array, index: tuple[int, ...], by: int) -> Array:
    values = values.copy()
    values[index] += by
    return values


CHANGES: dict[str, Callable[[Network], Network]] = {
    "a weight of the first layer": lambda n: node("conv1", weight=lambda w: put(w, (2, 1, 0, 2), 2))(n),
    "a weight of the second layer": lambda n: node("conv2", weight=lambda w: put(w, (4, 3, 1, 1), -2))(n),
    "a weight of the classifier": lambda n: node("classifier", weight=lambda w: put(w, (1, 77), 2))(n),
    "a bias": lambda n: node("lif1", bias=lambda b: put(b, (3, 0, 0), 1))(n),
    "a threshold": lambda n: node("lif2", vth=lambda v: v + 1)(n),
    "a decay": lambda n: node("lif1", dv=lambda v: v - 1)(n),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_witness_of_a_changed_parameter_holds_no_event_in_vain(
    small_network: Network, change: Callable[[Network], Network]
) -> None:
    other = change(small_network)
    sought = deploy.witness(small_network, other, seconds=SECONDS)
    assert sought.witness is not None, str(sought)
    frames = sought.witness.frames
    assert frames.shape == (1, *builders.small_frames().shape[1:]) and frames.max(initial=0) <= 1
    assert differ(small_network, other, frames)
    for cell in np.flatnonzero(frames):
        fewer = frames.copy()
        fewer.ravel()[cell] = 0
        assert not differ(small_network, other, fewer), "an event could be left out"


def test_what_differs_is_said_with_both_potentials_and_the_threshold(small_network: Network) -> None:
    other = CHANGES["a bias"](small_network)
    sought = deploy.witness(small_network, other, frames=builders.small_frames(), seconds=SECONDS)
    assert sought.witness is not None and sought.witness.thresholds is not None
    first = sought.witness.first
    assert first is not None and first.layer == "lif1" and first.neuron is not None and first.neuron[0] == 3
    (one, limit), (another, same_limit) = sought.witness.thresholds
    assert limit == same_limit == 110 * 64 and (one > limit) != (another > limit)
    assert f"potential {one:,} and {another:,}, threshold {limit:,}" in str(sought)


def test_the_same_model_cannot_differ(small_network: Network) -> None:
    sought = deploy.witness(small_network, small_network.replace(), seconds=1)
    assert not sought and sought.proven == "the two models are the same" and sought.tried == 0


def dead_end(weight: int) -> Network:
    """The second input neuron can never spike: all that feeds it is inhibition. Its weight onward is `weight`."""
    return builders.chain(
        in_=Input(shape=(2,)),
        fc1=Dense(weight=np.array([[200, 0], [-20, -20]])),
        lif1=builders.cells(2),
        fc2=Dense(weight=np.array([[150, weight]])),
        lif2=builders.cells(1),
        output=Output(),
    )


def test_a_weight_behind_a_neuron_that_can_never_spike_is_proven_to_make_no_difference() -> None:
    sought = deploy.witness(dead_end(2), dead_end(200), seconds=1)
    assert sought.proven is not None and "fc2" not in sought.proven and "lif2 can never spike" in sought.proven
    assert "16 steps" in sought.proven
    alive = node("lif1", bias=lambda b: np.array([0, 7000]))
    assert deploy.witness(alive(dead_end(100)), alive(dead_end(102)), seconds=SECONDS)


def test_neurons_that_can_spike_in_neither_model_are_proven_to_make_no_difference() -> None:
    high = node("lif2", vth=lambda v: v + 100_000)(dead_end(2))
    sought = deploy.witness(high, node("lif2", bias=lambda b: b + 1)(high), seconds=1)
    assert sought.proven is not None and "the neurons of lif2 that differ can spike in neither" in sought.proven


@pytest.mark.parametrize(
    "faults",
    [
        Faults(at_equal=True),
        Faults(soft=True),
        Faults(floors=True),
        Faults(reads=lambda n: node("conv1", weight=lambda w: w[..., ::-1, :])(n)),
    ],
    ids=["spikes at the threshold", "soft reset", "rounds down", "kernel flipped"],
)
def test_a_faulty_simulator_is_found_out(faults: Faults) -> None:
    network = tiny()
    # Few seconds: the faulty runner is slow, and a longer search shrinks for longer.
    sought = deploy.witness(network, lambda frames: run_faulty(network, frames, faults), seconds=4)
    assert sought.witness is not None, str(sought)
    expected = simulate(network, sought.witness.frames)
    for name in network.neurons:
        spikes = sought.witness.expected.layers[name].spikes
        assert spikes is not None and np.array_equal(spikes, np.stack(expected.spikes[name], axis=1))
    assert sought.witness.verdict.differs and sought.witness.events < 60


def test_a_simulator_that_keeps_its_state_needs_the_recordings_before() -> None:
    network = tiny()
    sought = deploy.witness(
        network, lambda frames: run_faulty(network, frames, Faults(keeps_state=True)), seconds=SECONDS
    )
    assert sought.witness is not None and len(sought.witness.frames) > 1
    assert "that do not differ alone" in str(sought)


def test_a_simulator_of_ones_own_is_held_to_every_current_and_potential() -> None:
    network = node("lif1", du=lambda du: du - 900)(tiny())
    quiet = node("lif1", vth=lambda vth: vth + 100_000)(network)

    def leaks_last(frames: Array) -> deploy.Trace:
        return run_faulty(quiet, frames, Faults(leaks_last=True))

    sought = deploy.witness(quiet, leaks_last, seconds=SECONDS)
    assert sought.witness is not None and not sought.witness.expected.layers["lif1"].output.any()
    assert "layer lif1" in str(sought) and "has v" in str(sought)


def test_another_kernel_size_that_gives_the_same_shape_is_searched(small_network: Network) -> None:
    larger = node("conv1", weight=lambda w: np.pad(w, ((0, 0), (0, 0), (1, 1), (1, 1))), padding=lambda p: (2, 2))
    found = deploy.witness(small_network, larger(small_network), seconds=0.5)
    assert not found and found.tried > 0
    shifted = node("conv1", weight=lambda w: np.pad(w, ((0, 0), (0, 0), (2, 0), (1, 1))), padding=lambda p: (2, 2))
    assert deploy.witness(small_network, shifted(small_network), seconds=SECONDS)


def test_a_right_simulator_is_not_found_out() -> None:
    network = tiny()
    sought = deploy.witness(network, lambda frames: run_faulty(network, frames, Faults()), seconds=2)
    assert not sought and sought.tried > 20 and sought.proven is None
    assert "potentials lay exactly on a threshold" in str(sought)


def tiny() -> Network:
    rng = np.random.default_rng(2)
    return builders.chain(
        in_=Input(shape=(1, 4, 4)),
        conv1=Conv(weight=builders.even(rng, 2, 1, 3, 3), padding=(1, 1)),
        lif1=builders.cells(2, 4, 4, dv=1000, bias=rng.integers(0, 40, (2, 1, 1)) * 64),
        flatten=Flatten(),
        fc=Dense(weight=builders.even(rng, 3, 32)),
        lif2=builders.cells(3, vth=200, dv=500),
        output=Output(),
    )


def test_networks_of_other_structure_are_held_against_each_other(small_network: Network) -> None:
    cell = small_network.nodes["lif2"]
    assert isinstance(cell, GridNeuron)
    other = small_network.replace(nodes={**small_network.nodes, "lif2": replace(cell, reset_mechanism="subtract")})
    sought = deploy.witness(small_network, other, seconds=SECONDS)
    assert sought.witness is not None and "layer lif2" in str(sought)


def test_what_cannot_be_searched_is_refused_by_name(small_network: Network) -> None:
    with pytest.raises(DeployError, match="one model, both times on integer; give a second model or simulator"):
        deploy.witness(small_network)
    with pytest.raises(UnsupportedError, match="holds floats"):
        deploy.witness(to_float(small_network), small_network)
    with pytest.raises(DeployError, match=r"--seconds \(=-1\) must be above 0"):
        deploy.witness(small_network, on="onnx", seconds=-1)
    with pytest.raises(DeployError, match="do not fit"):
        deploy.witness(small_network, on="onnx", frames=np.zeros((1, 2, 3), np.uint8))
    with pytest.raises(DeployError, match="give some with frames="):
        deploy.witness(
            lambda f: run_faulty(small_network, f, Faults()), lambda f: run_faulty(small_network, f, Faults())
        )
