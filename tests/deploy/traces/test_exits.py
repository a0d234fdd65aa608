"""Early exits: the rule against a loop over recordings and steps, the simulator that stops against one that does not,
and the cost against a sum over synapses."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import deploy
from deploy.errors import RunnerError, TraceError
from deploy.mapping.layout import map_network
from deploy.mapping.steps import worth_by_step, worth_of_exit
from deploy.network import Array, Network
from deploy.runners.exits import run_until_clear
from deploy.traces.exits import answers, choose_margin, exit_steps
from deploy.traces.prediction import running_votes
from tests.builders import small_frames, small_network


def spiking_output() -> Network:
    """The small network, whose last layer spikes."""
    network = small_network()
    readout = replace(network.nodes["readout"], vth=np.array(1000, np.int32))  # pyright: ignore[reportCallIssue]
    return network.replace(nodes={**network.nodes, "readout": readout})


def by_loop(given: Array, margin: float, *, readout: bool) -> list[tuple[int, int]]:
    """Steps and answer of every recording, of what the output layer gave (R, T, K)."""
    found = []
    for recording in given:
        votes = np.zeros(recording.shape[1], int)
        step = 0
        for row in recording:
            step += 1
            votes = row.astype(int) if readout else votes + row
            second, first = sorted(votes.tolist())[-2:]
            if first - second >= margin:
                break
        found.append((step, votes.tolist().index(max(votes.tolist()))))
    return found


@pytest.mark.parametrize(
    ("make", "margin", "least"),
    [
        (small_network, 0, 1),
        (small_network, 15_000, 3),
        (small_network, 1 << 22, 1),
        (spiking_output, 1, 3),
        (spiking_output, 2, 1),
    ],
)
def test_the_simulator_that_stops_gives_what_a_loop_over_all_steps_gives(
    make: Callable[[], Network], margin: int, least: int
) -> None:
    network, frames = make(), small_frames()
    whole = deploy.run(network, frames)
    votes = running_votes(whole.layers["readout"], whole.steps)
    readout = network.neurons["readout"].is_readout
    expected = by_loop(whole.layers["readout"].output, margin, readout=readout)
    trace, took = run_until_clear(network, frames, margin)
    assert list(zip(took.tolist(), trace.predictions.tolist(), strict=True)) == expected
    assert list(zip(exit_steps(votes, margin), answers(votes, took), strict=True)) == expected
    assert len(set(took.tolist())) >= least, "recordings have to end at several steps"
    for r, end in enumerate(took):
        for name, layer in trace.spiking.items():
            spikes = whole.layers[name].output[r]
            assert np.array_equal(layer.output[r, :end], spikes[:end]) and not layer.output[r, end:].any()
        assert np.array_equal(trace.frames[r, :end], frames[r, :end]) and not trace.frames[r, end:].any()  # pyright: ignore
    assert sum(layer.output.sum() for layer in trace.spiking.values()) > 0


@pytest.mark.parametrize("margin", [0, 15_000, 1 << 22])
def test_a_simulator_that_cannot_stop_is_cut_to_the_same(margin: int) -> None:
    network, frames = small_network(), small_frames()
    cut, steps = run_until_clear(network, frames, margin, on="onnx")
    ended, took = run_until_clear(network, frames, margin)
    assert np.array_equal(steps, took) and np.array_equal(cut.predictions, ended.predictions)
    for name, layer in ended.layers.items():
        assert np.array_equal(layer.output, cut.layers[name].output)


def test_a_network_with_a_memory_beside_its_neurons_is_stopped_too() -> None:
    """A recurrent edge carries the last step's spikes, which lie in no neuron."""
    network = small_network()
    recurrent = network.replace(edges=(*network.edges, ("lif1", "lif1")))
    whole = deploy.run(recurrent, small_frames())
    margin = 15_000
    trace, took = run_until_clear(recurrent, small_frames(), margin)
    expected = by_loop(whole.layers["readout"].output, margin, readout=True)
    assert list(zip(took.tolist(), trace.predictions.tolist(), strict=True)) == expected and len(set(took.tolist())) > 1


def test_the_operations_at_every_step_are_one_for_every_synapse_that_a_spike_reached() -> None:
    network, frames = small_network(), small_frames()
    trace = deploy.run(network, frames).labeled(np.arange(9) % 3)
    margin = 15_000
    votes = running_votes(trace.layers["readout"], trace.steps)
    took = exit_steps(votes, margin)

    def operations(ends: Array) -> int:
        """Of all recordings, every weight that a spike meets before its recording's end."""
        total = 0
        for r, end in enumerate(ends):
            for source, synapse in (("input", "conv1"), ("lif1", "conv2"), ("lif2", "classifier")):
                sent = frames[r] if source == "input" else trace.layers[source].output[r]
                total += sum(_reached(network, synapse, step) for step in sent[:end])
        return total

    found = worth_by_step(network, trace)
    assert [row.steps for row in found] == list(range(1, 8))
    assert [whole_number(9 * row.synaptic_operations) for row in found] == [
        operations(np.full(9, t)) for t in range(1, 8)
    ]
    right = votes.argmax(-1) == trace.labels[:, None]  # pyright: ignore
    assert [row.accuracy for row in found] == right.mean(0).tolist()
    ended = worth_of_exit(network, trace, margin)
    assert whole_number(9 * ended.synaptic_operations) == operations(took) < operations(np.full(9, 7))
    whole = map_network(network, "loihi2", trace).estimate
    assert whole is not None
    assert (found[-1].energy, found[-1].seconds) == (whole.energy, whole.seconds)
    assert all(a.energy < b.energy and a.seconds < b.seconds for a, b in pairwise(found))


def whole_number(mean: float) -> int:
    """A mean over nine recordings, times nine: within the rounding of a division it has to be an integer."""
    assert mean == pytest.approx(round(mean), abs=1e-6)
    return round(mean)


def _reached(network: Network, synapse: str, spikes: Array) -> int:
    """How many weights, of any value, the spikes of a step (C, H, W) meet."""
    node = network.nodes[synapse]
    weight = node.weight  # pyright: ignore[reportAttributeAccessIssue]
    if weight.ndim == 2:
        return int((spikes != 0).sum()) * len(weight)
    outputs, _, size, _ = weight.shape
    stride, border = node.stride[0], node.padding[0]  # pyright: ignore[reportAttributeAccessIssue]
    height, width = network.shapes[synapse][1:]
    count = 0
    for _, y, x in np.argwhere(spikes):
        rows = sum(0 <= y + border - i * stride < size for i in range(height))
        columns = sum(0 <= x + border - j * stride < size for j in range(width))
        count += outputs * rows * columns
    return count


def test_the_margin_is_the_smallest_above_which_nothing_more_is_lost() -> None:
    # Leads of four recordings by step: wrong at 2, right from 5 on; and one that is right at once.
    votes = np.zeros((4, 3, 3), int)
    votes[:3, 0, 1], votes[:3, 1, 0], votes[:3, 2, 0] = 2, 5, 9
    votes[3, :, 0] = 1, 2, 3
    labels = np.zeros(4, int)
    assert choose_margin(votes, labels, 0.0) == 3 and exit_steps(votes, 3).tolist() == [2, 2, 2, 3]
    assert choose_margin(votes, labels, 0.75) == 0
    assert answers(votes, exit_steps(votes, 2)).tolist() == [1, 1, 1, 0]


def test_a_margin_that_is_never_reached_changes_nothing() -> None:
    trace = deploy.run(small_network(), small_frames())
    ended, took = run_until_clear(small_network(), small_frames(), 1 << 30)
    assert took.tolist() == [7] * 9 and bool(deploy.compare(trace, ended))


def test_a_margin_of_grid_units_is_not_held_against_floats() -> None:
    with pytest.raises(RunnerError, match=r"--on float: its potentials are floats, .* give --on integer or onnx"):
        run_until_clear(small_network(), small_frames(), 15_000, on="float")
    # Spikes are counted alike on every simulator.
    _, took = run_until_clear(spiking_output(), small_frames(), 1, on="float")
    assert len(set(took.tolist())) > 1


def test_an_output_of_one_class_has_no_lead() -> None:
    with pytest.raises(TraceError, match="two classes"):
        exit_steps(np.zeros((2, 3, 1)), 1)
