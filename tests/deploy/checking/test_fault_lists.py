"""The later lists: some of each kind here, all in python -m benchmarks.faults_third, _fourth and _fifth."""

import numpy as np
import pytest

from benchmarks.fault_list import KINDS, FaultList, checked_run, compared_model, reference
from benchmarks.faults_fifth import FIFTH
from benchmarks.faults_fourth import FOURTH
from benchmarks.faults_third import THIRD
from benchmarks.second.models import Edited
from benchmarks.second.simulator import run as run_elsewhere
from deploy.checking.divergence.evidence import left_wrong
from deploy.checking.divergence.hypotheses.borders import largest_of_a_pool
from deploy.checking.divergence.hypotheses.constants import solved_threshold
from deploy.checking.divergence.hypotheses.registry import Propose
from deploy.checking.divergence.hypotheses.scaled import decays_by_a_shift, scaled_constants
from deploy.checking.divergence.hypotheses.senders import sent_otherwise
from deploy.checking.divergence.hypotheses.synapse import other_weights
from deploy.checking.divergence.replay import replay
from deploy.checking.divergence.setup import Setup
from deploy.traces.compare import compare

QUICK = (
    (THIRD, "four neurons lost on reading back", "spikes"),
    (THIRD, "a pooled count of one", "spikes"),
    (THIRD, "a queue comes out in the next recording", "spikes"),
    (THIRD, "recurrent spikes kept between recordings", "u and v"),
    (THIRD, "the source runs dry", "u and v"),
    (THIRD, "spikes lost at random", "u and v"),
    (FOURTH, "one channel is reset to another value", "spikes"),
    (FOURTH, "one upset of one bit", "u and v"),
    (FOURTH, "the second of two packed weights first", "spikes"),
    (FOURTH, "two axons exchanged", "spikes"),
    (FOURTH, "two cores without each other's rows", "u and v"),
    (FOURTH, "padding repeats the edge", "u and v"),
    (FOURTH, "the traces of two layers exchanged", "spikes"),
    (FIFTH, "two sources have one sign only", "u and v"),
    (FIFTH, "each source reaches so many targets", "u and v"),
    (FIFTH, "weights of one core wrap", "spikes"),
    (FIFTH, "another layer is monitored", "u and v"),
    (FIFTH, "a layer is read out with its even and odd neurons apart", "u and v"),
    (FIFTH, "a block of potentials has a floor", "u and v"),
    (FIFTH, "half a layer handles spikes a step late", "u and v"),
    (FIFTH, "sums of some targets are not cleared", "spikes"),
    (FIFTH, '"same" padding lies behind the map', "u and v"),
    (FIFTH, "a recorder of potentials a step late, and neurons that rest", "u and v"),
)
NETWORKS = [(faults, name) for faults in (THIRD, FOURTH, FIFTH) for name in faults.networks]
EDITS = [(faults, edited) for faults in (THIRD, FOURTH, FIFTH) for edited in faults.models]


@pytest.mark.parametrize(("faults", "name", "kind"), QUICK, ids=[f"{name}, {kind}" for _, name, kind in QUICK])
def test_faults_are_named_and_proven(faults: FaultList, name: str, kind: str) -> None:
    fault = next(fault for fault in faults.runs if fault.name == name)
    row = checked_run(fault, kind, *reference(faults.networks[fault.on], faults.frames_for))
    assert row.detected and row.placed
    assert row.outcome == "right", row.told


PROPOSED = (
    (
        "weights truncated where they should be rounded",
        (),
        "d5",
        other_weights,
        "cut off toward zero, to multiples of 16",
    ),
    ("a pool takes the largest", (), "s3", largest_of_a_pool, "the pool takes the largest"),
    ("a leak by a shift", (), "s1", decays_by_a_shift, "nearest power of two"),
    ("an index moved in the record, and a threshold scaled", (), "hid", scaled_constants, "multiplied by 5/4"),
    ("thresholds of a block are off by their calibration", (), "rec", solved_threshold, "a threshold vth of its own"),
    ("a layer sends at most so much, in two recordings", (2, 5), "s3", sent_otherwise, "at most 120 spikes a step"),
)


@pytest.mark.parametrize(("name", "chosen", "layer", "propose", "words"), PROPOSED, ids=[row[0] for row in PROPOSED])
def test_a_family_proposes_what_was_recorded(
    name: str, chosen: tuple[int, ...], layer: str, propose: Propose, words: str
) -> None:
    """chosen: the recordings in which a fault is; of two mistakes the second is made alone."""
    fault = next(fault for fault in FIFTH.runs if fault.name == name)
    network, expected = reference(FIFTH.networks[fault.on], FIFTH.frames_for)
    assert expected.frames is not None
    slips, rows = (fault.slips[1:], slice(None)) if len(fault.slips) > 1 else (fault.slips, list(chosen) or slice(None))
    found = run_elsewhere(network, expected.frames, *slips)
    numbers = np.arange(len(expected.frames))[rows]
    setup = Setup(network=network, frames=expected.frames[rows], rows=numbers)
    trace = found.take(numbers.tolist())
    wrong = left_wrong(setup, trace, layer)
    assert wrong is not None and wrong.any()
    exact = [
        candidate.text
        for candidate in propose(setup, layer, trace)
        if (left := left_wrong(candidate.setup, trace, layer)) is not None and not left.any()
    ]
    assert any(words in text for text in exact), exact


def test_one_spike_proves_no_cause() -> None:
    """Four spikes in scattered neurons: thresholds of just those neurons would explain them, and are no cause."""
    fault = next(fault for fault in FOURTH.runs if fault.name == "the leak is rounded, not what is left")
    row = checked_run(fault, "spikes", *reference(FOURTH.networks[fault.on], FOURTH.frames_for))
    assert row.outcome in ("right", "profile"), row.told
    assert "in 3 of 384 neurons" not in row.told.partition("cause:")[2]


@pytest.mark.parametrize(("faults", "edited"), EDITS, ids=[edited.name for _, edited in EDITS])
def test_what_was_done_to_a_model_is_told(faults: FaultList, edited: Edited) -> None:
    row = compared_model(edited, faults.networks[edited.on]())
    assert row.outcome == "right", row.told


@pytest.mark.parametrize(("faults", "name"), NETWORKS, ids=[name for _, name in NETWORKS])
def test_the_simulator_of_the_lists_is_right_on_these_networks_too(faults: FaultList, name: str) -> None:
    network, expected = reference(faults.networks[name], faults.frames_for)
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
