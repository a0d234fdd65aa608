"""The third list: some of each kind here, all of them in python -m benchmarks.faults_third."""

import numpy as np
import pytest

from benchmarks.fault_list import KINDS, checked_run, compared_model, reference
from benchmarks.faults_third import THIRD
from benchmarks.second.models import Edited
from benchmarks.second.simulator import run as run_elsewhere
from deploy.checking.divergence.replay import replay
from deploy.checking.divergence.setup import Setup
from deploy.traces.compare import compare

QUICK = (
    ("four neurons lost on reading back", "spikes"),
    ("a pooled count of one", "spikes"),
    ("a queue comes out in the next recording", "spikes"),
    ("recurrent spikes kept between recordings", "u and v"),
    ("the source runs dry", "u and v"),
    ("spikes lost at random", "u and v"),
)


@pytest.mark.parametrize(("name", "kind"), QUICK)
def test_faults_of_the_third_list_are_named_and_proven(name: str, kind: str) -> None:
    fault = next(fault for fault in THIRD.runs if fault.name == name)
    row = checked_run(fault, kind, *reference(THIRD.networks[fault.on], THIRD.frames_for))
    assert row.detected and row.placed
    assert row.outcome == "right", row.told


@pytest.mark.parametrize("edited", THIRD.models, ids=lambda edited: edited.name)
def test_what_was_done_to_a_model_of_the_third_list_is_told(edited: Edited) -> None:
    row = compared_model(edited, THIRD.networks[edited.on]())
    assert row.outcome == "right", row.told


@pytest.mark.parametrize("name", THIRD.networks)
def test_the_simulator_of_the_lists_is_right_on_these_networks_too(name: str) -> None:
    network, expected = reference(THIRD.networks[name], THIRD.frames_for)
    assert expected.frames is not None
    found = run_elsewhere(network, expected.frames)
    assert all(layer.output.any() for layer in expected.spiking.values())
    assert compare(expected, found, every_state=True)
    assert compare(KINDS["spikes"](expected), KINDS["spikes"](found))


def test_what_enters_a_recurrent_synapse_is_what_was_recorded_in_the_same_step() -> None:
    network, expected = reference(THIRD.networks["loops"], THIRD.frames_for)
    assert expected.frames is not None
    heard = replay(Setup(network=network, frames=expected.frames), along=expected, only=frozenset(["a"])).arriving
    assert np.array_equal(heard["self_a"], expected.output("a"))
    assert np.array_equal(heard["down"], expected.output("b"))
