"""Pictures hold the values of the trace: what is read back from the Axes is counted on its own."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import QuadMesh

import deploy
from deploy import plot
from deploy.network import Array, Network
from deploy.traces.trace import Trace


@pytest.fixture(autouse=True)
def closed_figures() -> object:
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture
def trace(small_network: Network, small_frames: Array) -> Trace:
    return deploy.run(small_network, small_frames, on="integer", states=3).labeled(np.arange(9) % 3)


def changed(network: Network) -> Network:
    neuron = network.nodes["lif2"]
    return replace(network, nodes={**network.nodes, "lif2": replace(neuron, vth=np.array(650))})  # pyright: ignore


def test_a_raster_marks_who_spiked(trace: Trace, small_network: Network, small_frames: Array) -> None:
    found = deploy.run(changed(small_network), small_frames, on="integer")
    axes = plt.subplots()[1]
    assert plot.raster(trace, "lif2", found, recording=1, axes=axes) is axes
    cells = axes.collections[0]
    assert isinstance(cells, QuadMesh)
    a, b = (np.asarray(t.layers["lif2"].spikes)[1].reshape(trace.steps, -1) for t in (trace, found))
    differing = (a != b).any(axis=0)
    assert 0 < differing.sum() < plot.NEURONS
    values = np.asarray(cells.get_array())
    assert np.count_nonzero(values == 2) == (a & ~b).sum() and np.count_nonzero(values == 3) == (b & ~a).sum()
    assert f"{(a != b).sum()} differ" in axes.get_title()


def test_a_raster_of_one_trace_draws_neurons_that_spike(trace: Trace) -> None:
    axes = plot.raster(trace, "lif1")
    values = np.asarray(axes.collections[0].get_array())
    assert set(np.unique(values)) == {0, 1} and values.any(axis=1).all() and len(values) == plot.NEURONS


def test_a_potential_stands_beside_its_threshold_and_spikes(trace: Trace, small_network: Network) -> None:
    spikes = np.asarray(trace.layers["lif1"].spikes)[2]
    neuron = tuple(int(i) for i in np.unravel_index(spikes.sum(axis=0).argmax(), spikes.shape[1:]))
    axes = plot.potential(trace, small_network, "lif1", neuron, recording=2)
    potential, threshold, marks = axes.lines
    assert np.array_equal(potential.get_ydata(), np.asarray(trace.layers["lif1"].v)[2][:, *neuron])
    assert set(np.asarray(threshold.get_ydata())) == {110 << 6}
    assert np.array_equal(marks.get_xdata(), np.flatnonzero(spikes[:, *neuron])) and spikes[:, *neuron].any()
    assert len(plot.potential(trace, small_network, "readout", 1).lines) == 1


def test_accuracy_by_step_ends_at_the_accuracy(trace: Trace, small_network: Network, small_frames: Array) -> None:
    shares = np.asarray(plot.accuracy(trace).lines[0].get_ydata())
    assert shares[-1] == trace.accuracy
    for steps in (1, 3, 5):
        cut = deploy.run(small_network, small_frames[:, :steps], on="integer")
        assert shares[steps - 1] == np.mean(cut.predictions == trace.labels)


def test_what_cannot_be_drawn_is_one_line(trace: Trace, small_network: Network) -> None:
    shorter = deploy.run(small_network, np.ones((1, 2, 2, 10, 10), np.uint8), on="integer")
    for draw, said in (
        (lambda: plot.raster(trace, "lif7"), "'lif7'.*'lif1', 'lif2' or 'readout'"),
        (lambda: plot.raster(trace, "readout"), "never spikes"),
        (lambda: plot.raster(trace, "lif1", recording=9), "no recording 9.*0 to 8"),
        (lambda: plot.raster(trace, "lif1", shorter), "7 steps.*2 of 400"),
        (lambda: plot.potential(trace, small_network, "lif1", (4, 0, 0)), r"no neuron \(4, 0, 0\).*\(4, 10, 10\)"),
        (lambda: plot.potential(trace, small_network, "lif1", (0, 0, 0), recording=3), "kept of 3.*states=4"),
        (lambda: plot.accuracy(trace.labeled(None)), "no labels"),
        (lambda: plot.accuracy(replace(trace, predictions=(trace.predictions + 1) % 3)), "leads to its predictions"),
    ):
        with pytest.raises(deploy.TraceError, match=said) as error:
            draw()
        assert "\n" not in str(error.value)
