"""The mutation score: each verdict of the replay against a run of the whole changed network on the simulator."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import deploy
from deploy.checking.coverage.measure import coverage
from deploy.checking.coverage.mutants import Mutants, layers_fed, mutants_of
from deploy.checking.coverage.shares import share, together
from deploy.cli import main
from deploy.errors import DeployError, UnsupportedError
from deploy.grid import weights_on_grid
from deploy.network import Array, Delay, Dense, GridNeuron, Input, Network, Output
from deploy.runners.integer.simulator import run
from deploy.traces.trace import Trace
from tests.builders import cells, chain, even, small_frames, small_network
from tests.equivalence.networks import convolutional, dense, frames_for
from tests.graphs.grid import networks

TRIED = 6
"""Changes of each group that are also run."""


def first(differs: Array) -> int:
    """The first recording in which anything of (R, ...) is set; -1: none."""
    rows = np.flatnonzero(differs.reshape(len(differs), -1).any(axis=1))
    return int(rows[0]) if len(rows) else -1


def earliest(one: int, other: int) -> int:
    return other if one < 0 else one if other < 0 else min(one, other)


def by_running(network: Network, plain: Trace, frames: Array, mutants: Mutants, row: int) -> tuple[int, int]:
    """The first recordings in which the outputs, and in which outputs or states of the layers differ."""
    changed = run(mutants.applied(network, row), frames, states=len(frames))
    layers = list(layers_fed(network, mutants.node)) if mutants.parameter == "weight" else [mutants.node]
    outputs = states = -1
    for layer in layers:
        one, other = plain.layers[layer], changed.layers[layer]
        outputs = earliest(outputs, first(one.output != other.output))
        for kind in ("u", "v"):
            states = earliest(states, first(one[kind] != other[kind]))
    return outputs, earliest(outputs, states)


def against_runs(network: Network, frames: Array) -> int:
    """How many verdicts were compared, all of them equal."""
    compared = 0
    found = coverage(network, frames, sample=TRIED, seed=3)
    plain = run(network, frames, states=len(frames))
    # The same draw again: what was tried stands in no result.
    rng = np.random.default_rng(3)
    for mutants, group in zip(mutants_of(network)[0], found.groups, strict=True):
        total = len(mutants)
        rows = np.arange(total) if total <= TRIED else np.sort(rng.choice(total, TRIED, replace=False))
        tried = mutants.take(rng.permutation(rows))
        assert (group.node, group.parameter, group.total) == (mutants.node, mutants.parameter, total)
        for row in range(len(tried)):
            told = int(group.spikes[row]), int(group.states[row])
            assert told == by_running(network, plain, frames, tried, row), (group.node, group.parameter, row)
            compared += 1
    return compared


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(networks())
def test_every_verdict_is_that_of_a_run(case: tuple[Network, Array]) -> None:
    network, frames = case
    assert against_runs(network, frames) > 0


@pytest.mark.parametrize("reset", ["zero", "subtract", "none"])
@pytest.mark.parametrize("delay", [False, True])
def test_resets_and_recurrent_edges(reset: str, delay: bool) -> None:
    rng = np.random.default_rng(5)
    network = dense(rng, recurrent=True)
    nodes = {
        name: replace(node, reset_mechanism=reset, reset_delay=delay) if isinstance(node, GridNeuron) else node
        for name, node in network.nodes.items()
    }
    network = network.replace(nodes=nodes)
    assert against_runs(network, frames_for(rng, network, 4)) > 30


def test_a_shift_to_the_right_hides_what_it_drops() -> None:
    rng = np.random.default_rng(1)
    network = chain(
        in_=Input(shape=(8,)),
        fc=Dense(weight=even(rng, 5, 8), weight_exp=-4),
        lif=cells(5, vth=4, dv=100),
        output=Output(),
    )
    assert weights_on_grid(even(rng, 5, 8))
    assert against_runs(network, frames_for(rng, network, 5)) > 20


def test_a_saturated_readout_hides_what_only_its_current_shows() -> None:
    network = chain(
        in_=Input(shape=(4,)),
        fc=Dense(weight=np.full((2, 4), 200), weight_exp=7),
        readout=cells(2, vth=None, dv=0, bias=1 << 22),
        output=Output(),
    )
    frames = np.ones((2, 9, 4), np.uint8)
    assert against_runs(network, frames) > 5
    weights = next(group for group in coverage(network, frames).groups if group.parameter == "weight")
    assert (weights.spikes == -1).all() and (weights.states == 0).all()


def test_all_changes_tried_leave_no_interval() -> None:
    found = deploy.coverage(small_network(), small_frames(), sample=100_000)
    score = found.score
    assert score.tried == score.total and score.low == score.value == score.high
    assert 0 < score.hits < score.total
    assert found.in_states.hits > score.hits


def test_a_sample_holds_the_whole_in_its_interval() -> None:
    network, frames = small_network(), small_frames()
    whole = coverage(network, frames, sample=100_000).score.value
    inside = [coverage(network, frames, sample=60, seed=seed).score for seed in range(20)]
    # Of twenty 95 % intervals, fewer than 16 hold the truth once in 4,000 times.
    assert sum(one.low <= whole <= one.high for one in inside) >= 16


def test_more_recordings_show_more() -> None:
    found = coverage(small_network(), small_frames())
    scores = [score.value for _, score in found.curve()]
    assert [size for size, _ in found.curve()] == [1, 9] and scores[0] < scores[1]
    assert found.score_by(4).value == coverage(small_network(), small_frames()[:4]).score.value


def test_a_neuron_without_inputs_is_far_and_silent() -> None:
    network = small_network()
    conv = network.nodes["conv1"]
    silenced = replace(conv, weight=conv.weight * (np.arange(4) != 2)[:, None, None, None])  # pyright: ignore
    lif = network.neurons["lif1"]
    quiet = replace(lif, bias=lif.bias * (np.arange(4) != 2)[:, None, None])  # pyright: ignore
    found = coverage(network.replace(nodes={**network.nodes, "conv1": silenced, "lif1": quiet}), small_frames())
    one = found.approaches[0]
    assert one.layer == "lif1" and one.silent[2].all() and one.far[2].all() and not one.far[[0, 1, 3]].all()
    assert (one.nearest[2] == (110 << 6) + 1).all()


def test_nearest_is_the_least_change_that_flips_a_spike() -> None:
    weights = np.array([[20, 0], [0, 50]])
    network = chain(in_=Input(shape=(2,)), fc=Dense(weight=weights), lif=cells(2, vth=30, dv=4096), output=Output())
    found = coverage(network, np.ones((1, 3, 2), np.uint8))
    # 20 << 6 is below 30 << 6 and needs 640 more to lie above it; 50 << 6 lies above it by 1280.
    assert found.approaches[0].nearest.tolist() == [641, 1280]


def test_predictions_are_those_of_the_changed_networks() -> None:
    """One recording on the edge: any step of the one readout weight that decides it changes what is said."""
    network = chain(
        in_=Input(shape=(1,)),
        fc=Dense(weight=np.array([[100], [100]])),
        readout=cells(2, vth=None, dv=4096, du=4095),
        output=Output(),
    )
    found = coverage(network, np.ones((1, 1, 1), np.uint8))
    # A tie goes to class 0; it is class 1 where its sum is larger: up to four of the changes, by weight and by bias.
    plain = run(network, np.ones((1, 1, 1), np.uint8)).predictions
    assert plain.tolist() == [0] and 0 < found.predictions.hits < found.predictions.tried


def test_a_synapse_before_a_delay_is_named_and_left_out() -> None:
    rng = np.random.default_rng(0)
    network = chain(
        in_=Input(shape=(4,)), fc=Dense(weight=even(rng, 3, 4)), late=Delay(steps=1), lif=cells(3), output=Output()
    )
    found = coverage(network, frames_for(rng, network, 2))
    assert found.not_measured == ("fc",) and all(group.node == "lif" for group in found.groups)


def test_floats_are_refused_by_name() -> None:
    from deploy.passes.to_float import to_float

    with pytest.raises(UnsupportedError, match="compile it first"):
        coverage(to_float(small_network()), small_frames())
    with pytest.raises(DeployError, match="at least 1"):
        coverage(small_network(), small_frames(), sample=0)


def test_shares() -> None:
    # Wilson's interval for 8 of 10, as R's binom package gives it: 0.4901625 to 0.9433178.
    one = share(8, 10, 1000)
    assert one.low == pytest.approx(0.4901625, abs=1e-6) and one.high == pytest.approx(0.9433178, abs=1e-6)
    assert together([share(10, 10, 10), share(0, 30, 30)]).value == 0.25


def test_the_command_says_how_much_a_check_is_worth(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coverage", str(model), "--sample", "20", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["recordings"] == 9 and told["score"]["tried"] <= told["score"]["total"]
    assert {group["node"] for group in told["groups"]} >= {"conv1", "lif1", "classifier", "readout"}
    assert main(["coverage", str(model), "--trace", str(model.with_suffix(".trace")), "--sample", "20"]) == 0
    assert "single-step changes in a spike" in capsys.readouterr().out
    assert main(["coverage", str(model), "--trace", "x.trace", "--frames", "x.npy"]) == 2
    assert "excludes" in capsys.readouterr().err


def test_branches_and_currents() -> None:
    rng = np.random.default_rng(8)
    network = convolutional(rng)
    assert against_runs(network, frames_for(rng, network, 3)) > 40
