"""What is recorded, what is due, what is proven: three things, told apart; and facts where no cause has a name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fault_list import names_all
from benchmarks.second import networks
from benchmarks.second.models import MODELS, Edited
from benchmarks.second.runs import RUNS
from benchmarks.second.simulator import run as run_elsewhere
from deploy.checking.divergence.explain import explain
from deploy.checking.divergence.models import difference
from deploy.checking.divergence.places import neurons_in_words, steps_in_words
from deploy.checking.divergence.story import proof_in_words, story
from deploy.cli import main
from deploy.formats.nir import write_nir
from deploy.network import Array, Conv, Dense, GridNeuron, Network
from deploy.report.page import write_report
from deploy.runners.table import run
from deploy.traces.compare import compare
from deploy.traces.trace import Trace
from tests.builders import small_frames, small_network
from tests.deploy.changed import changed


@pytest.fixture(scope="module")
def network() -> Network:
    return small_network()


@pytest.fixture(scope="module")
def expected(network: Network) -> Trace:
    frames = small_frames()
    return replace(run(network, frames, states=9, digests=True), frames=frames)


def with_node(network: Network, name: str, **changes: object) -> Network:
    node = replace(network.nodes[name], **changes)  # pyright: ignore[reportArgumentType]
    return network.replace(nodes={**network.nodes, name: node})


def soft(network: Network) -> Network:
    return with_node(network, "lif1", reset_mechanism="subtract")


# Recorded, and due


def test_each_side_shows_what_its_trace_holds_at_each_place(network: Network, expected: Trace) -> None:
    """A soft reset against a hard one: v differs first, a spike a step later."""
    found = run(soft(network), small_frames(), states=9, digests=True)
    seen = explain(expected, found, reference=network, tested=soft(network))
    places = [seen.divergence, seen.spike_divergence]
    assert [place.at.what for place in places if place] == ["v", "spike"]
    for place in places:
        assert place is not None and place.at.neuron is not None
        index = (place.at.recording, place.at.step, *place.at.neuron)
        for trace, side in ((expected, place.expected), (found, place.found)):
            layer = trace.layers[place.at.layer]
            assert side is not None
            assert side.recorded.spike == layer.output[index]
            assert (side.recorded.u, side.recorded.v) == (layer["u"][index], layer["v"][index])
            assert side.due is not None and not side.contradicts
            assert (side.due.spike, side.due.v) == (side.recorded.spike, side.recorded.v)
    lines = story(seen).splitlines()
    after = lines[lines.index(next(line for line in lines if line.startswith("first spike that differs"))) + 1 :]
    assert "expected, recorded: no spike" in after[0] and "found, recorded: a spike" in after[2]


def test_what_is_due_is_never_called_recorded(network: Network, expected: Trace) -> None:
    """A potential that nothing calls for: recorded is the wrong value, due the right one, and the two are marked."""
    v = expected.layers["lif2"]["v"].copy()
    v[3, 2, 1, 1, 1] += 512
    found = changed(expected, "lif2", v=v, v_digest=None)
    seen = explain(expected, found, reference=network).divergence
    assert seen is not None and seen.expected is not None and seen.found is not None
    assert seen.found.recorded.v == v[3, 2, 1, 1, 1] and seen.found.contradicts
    assert seen.found.due is not None and seen.found.due.v == v[3, 2, 1, 1, 1] - 512
    assert not seen.expected.contradicts


def test_what_a_trace_does_not_hold_is_not_shown(network: Network, expected: Trace) -> None:
    spikes = expected.layers["lif1"].output.copy()
    spikes[2, 3, 1, 4, 4] ^= True
    bare = dict.fromkeys(("u", "v", "u_digest", "v_digest"))
    seen = explain(expected, changed(expected, "lif1", spikes=spikes, **bare), reference=network).divergence
    assert seen is not None and seen.found is not None
    assert seen.found.recorded.u is None and seen.found.recorded.v is None


# Proofs


def test_a_proof_covers_every_recording(network: Network) -> None:
    """A channel that falls silent in two late recordings alone: no other recording may be left out of the proof."""
    frames = np.concatenate([small_frames()] * 3)
    good = run(network, frames)
    spikes = good.layers["lif1"].output.copy()
    spikes[20, :, 1] = spikes[25, :, 1] = False
    explanation = explain(good, changed(good, "lif1", spikes=spikes), reference=network, frames=frames)
    proof = explanation.proof
    assert proof is not None and proof.recordings == 27
    assert explanation.profile is not None and explanation.profile.recordings == (20, 25)
    assert all(cause.verified == proof.exact for cause in explanation.causes)


def test_a_cause_that_holds_for_most_is_no_proof(network: Network, expected: Trace) -> None:
    """A soft reset, and 1 % of the spikes of the next layer flipped: the first is named, and the count says how far."""
    found = run(soft(network), small_frames(), states=9, digests=True)
    spikes = found.layers["lif2"].output
    noise = np.random.default_rng(0).random(spikes.shape) < 0.01
    bare = dict.fromkeys(("u", "v", "u_digest", "v_digest"))
    noisy = changed(found, "lif2", spikes=spikes ^ noise, **bare)
    explanation = explain(expected, noisy, reference=network)
    proof = explanation.proof
    assert proof is not None and not proof.exact and not any(cause.verified for cause in explanation.causes)
    assert 0 < proof.explained < proof.differing
    assert f"explains {proof.explained:,} of {proof.differing:,} differing spikes" in story(explanation)
    assert "lif2" in explanation.unexplained and "proof: this" not in story(explanation)


def test_several_causes_say_that_all_are_needed_in_console_and_page(
    network: Network, expected: Trace, tmp_path: Path
) -> None:
    bad = with_node(soft(network), "lif2", dv=np.array(513))
    for name, model in (("good", network), ("bad", bad)):
        write_nir(model, tmp_path / f"{name}.nir")
        run(model, small_frames(), states=9, digests=True).save(tmp_path / f"{name}.trace")
    expected.save(tmp_path / "good.trace")
    from deploy.checking.check import check

    checked = check(tmp_path / "good.nir", tmp_path / "bad.trace")
    assert checked.explanation is not None and len(checked.explanation.causes) == 2
    words = proof_in_words(checked.explanation)
    assert words.startswith("proof: these 2 together, and none of them alone, turn")
    write_report(checked, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert words[1:] in page and "this alone" not in page


def test_an_approximate_factor_is_a_likeness_and_no_proof(network: Network, expected: Trace) -> None:
    conv = network.nodes["conv2"]
    assert isinstance(conv, Conv)
    factors = np.linspace(0.9, 1.1, 6).reshape(-1, 1, 1, 1)
    bad = with_node(network, "conv2", weight=np.rint(conv.weight * factors).astype(np.int64) // 2 * 2)
    found = run(bad, small_frames(), states=9, digests=True)
    explanation = explain(expected, found, reference=network, tested=bad)
    (cause,) = explanation.causes
    assert "weights differ" in cause.text and "factor" not in cause.text
    assert "no proof" in cause.likeness and cause.verified


# Facts


def test_facts_say_which_neurons_from_when_and_in_which_recordings(network: Network, expected: Trace) -> None:
    spikes = expected.layers["lif1"].output.copy()
    spikes[:, 4:, 2] = False
    bare = dict.fromkeys(("u", "v", "u_digest", "v_digest"))
    explanation = explain(expected, changed(expected, "lif1", spikes=spikes, **bare), reference=network)
    profile = explanation.profile
    assert profile is not None and profile.layer == "lif1" and profile.extra == 0 and profile.missing > 0
    told = "; ".join(profile.facts)
    for part in ("channel 2", "from step 4 on", "none is extra", "silent"):
        assert part in told
    assert "facts: lif1" in story(explanation)


def test_places_in_words() -> None:
    where = np.zeros(2048, bool)
    where[1024:] = True
    assert neurons_in_words(where) == "neurons 1024 to 2047 (1,024 of 2,048 neurons)"
    where = np.zeros((4, 6, 6), bool)
    where[:, 2:5] = True
    assert neurons_in_words(where) == "rows 2 to 4 (72 of 144 neurons)"
    every = np.zeros(64, bool)
    every[15::16] = True
    assert neurons_in_words(every) == "neurons 15 to 63, every 16th (4 of 64 neurons)"
    assert steps_in_words([4, 5, 6, 7], 8) == "from step 4 on"
    assert steps_in_words([9], 14) == "in step 9 alone"


# Solved from what is recorded


def test_a_weight_of_a_readout_is_solved_from_its_potential_alone(network: Network, expected: Trace) -> None:
    dense = network.nodes["classifier"]
    assert isinstance(dense, Dense)
    heard = int(np.flatnonzero(expected.layers["lif2"].output.reshape(63, -1).any(axis=0))[3])
    weight = dense.weight.copy()
    weight[1, heard] += 6
    bad = run(with_node(network, "classifier", weight=weight), small_frames())
    assert "u" not in bad.layers["readout"]
    explanation = explain(expected, bad, reference=network)
    (cause,) = explanation.causes
    assert cause.verified and f"[1, {heard}] is {weight[1, heard]} there" in cause.text


# The second list: some of each kind here, all of them in python -m benchmarks.faults_second

QUICK = (
    "neurons 16 to 31 silent from step 4",
    "recordings 2 and 3 exchanged",
    "a bit of a readout's weight flipped",
    "threshold of a channel doubled",
    "bias twice",
)


@pytest.mark.parametrize("name", QUICK)
def test_faults_of_the_second_list_are_named_and_proven(name: str) -> None:
    fault = next(fault for fault in RUNS if fault.name == name)
    net = networks.NETWORKS[fault.on]()
    frames = networks.frames_for(net)
    good = replace(run(net, frames, states=networks.RECORDINGS, digests=True), frames=frames)
    explanation = explain(good, run_elsewhere(net, frames, *fault.slips), reference=net)
    assert explanation.proof is not None and explanation.proof.exact
    assert names_all(fault.says, explanation)


def test_the_second_simulator_is_right_where_nothing_goes_wrong() -> None:
    for build in networks.NETWORKS.values():
        net = build()
        frames = networks.frames_for(net)
        good = run(net, frames, states=networks.RECORDINGS, digests=True)
        assert compare(good, run_elsewhere(net, frames), every_state=True)


@pytest.mark.parametrize("edited", MODELS, ids=lambda edited: edited.name)
def test_what_was_done_to_a_model_is_told_from_the_two_files(edited: Edited) -> None:
    import re

    net = networks.NETWORKS[edited.on]()
    told = "\n".join(difference(net, edited.edit(net)))
    for pattern in edited.says:
        assert re.search(pattern, told), told
    assert difference(net, net) == []


def test_models_edited_anyhow_never_raise() -> None:
    """Nodes and edges dropped, exchanged, resized, at random: lines, whatever comes of it, and no exception."""
    rng = np.random.default_rng(0)
    for _ in range(150):
        net = networks.NETWORKS[str(rng.choice(list(networks.NETWORKS)))]()
        assert isinstance(difference(net, _mangled(net, rng)), list)


def _mangled(network: Network, rng: np.random.Generator) -> Network:
    nodes, edges = dict(network.nodes), list(network.edges)
    for _ in range(int(rng.integers(1, 4))):
        names = [name for name in nodes if name not in ("input", "output")]
        name = str(rng.choice(names))
        node = nodes[name]
        match int(rng.integers(0, 5)):
            case 0:
                del nodes[name]
                edges = [edge for edge in edges if name not in edge]
            case 1:
                edges.pop(int(rng.integers(0, len(edges))))
            case 2:
                edges.append((str(rng.choice(names)), name))
            case 3 if isinstance(node, Conv | Dense):
                nodes[name] = replace(node, weight=_other(node.weight, rng))
            case 3 | 4 if isinstance(node, GridNeuron):
                nodes[name] = replace(node, shape=(*node.shape[:-1], node.shape[-1] + 1), bias=np.zeros(()))
            case _:
                other = str(rng.choice(names))
                nodes[name], nodes[other] = nodes[other], nodes[name]
    return network.replace(nodes=nodes, edges=tuple(edges))


def _other(weight: Array, rng: np.random.Generator) -> Array:
    return [weight[:-1], weight.T.copy(), weight * 3, rng.permutation(weight), weight[..., :1]][int(rng.integers(0, 5))]


def test_structure_that_cannot_be_compared_is_one_line_that_says_how_the_models_differ(
    network: Network, expected: Trace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_nir(network, tmp_path / "good.nir")
    expected.save(tmp_path / "good.trace")
    nodes = {name: node for name, node in network.nodes.items() if name not in ("conv2", "lif2")}
    dense = network.nodes["classifier"]
    assert isinstance(dense, Dense)
    nodes["classifier"] = replace(dense, weight=np.tile(dense.weight, (1, 3))[:, :400])
    edges = tuple(e for e in network.edges if not {"conv2", "lif2"} & set(e))
    write_nir(network.replace(nodes=nodes, edges=(*edges, ("lif1", "flatten"))), tmp_path / "bad.nir")
    assert main(["check", str(tmp_path / "good.nir"), str(tmp_path / "bad.nir")]) == 2
    told = "".join(capsys.readouterr())
    assert "the models differ: " in told and "lif2" in told and "Traceback" not in told
