"""What the reader makes of graphs that other tools write."""

import itertools
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch

from deploy.errors import ModelError, UnsupportedError
from deploy.network import Conv, Delay, Dense, FloatNeuron, Scale, SumPool
from deploy.runners import floating
from tests.deploy.formats.nir_graphs import DT, chain, conv2d, cuba, ends, full, graph, if_, lif, reread, spikes

RNG = np.random.default_rng(0)


def weights(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("kernel", [(3, 3), (3, 5), (2, 4), (1, 2)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 3)])
def test_same_padding_is_pytorchs(tmp_path: Path, kernel: tuple[int, int], dilation: tuple[int, int]) -> None:
    weight = weights(3, 2, *kernel)
    node = conv2d(weight, (7, 9), padding="same", dilation=dilation)
    network = reread(chain((2, 7, 9), {"conv": node}, (3, 7, 9)), tmp_path)
    frames = spikes(RNG, 1, 1, 2, 7, 9)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(frames[0]).double(), torch.from_numpy(weight).double(), padding="same", dilation=dilation
    )
    got = floating.run(network, frames).layers["readout"]["v"][0, 0]
    np.testing.assert_allclose(got, expected[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_with_every_option_is_pytorchs(tmp_path: Path, groups: int) -> None:
    options: dict[str, Any] = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": groups}
    weight, bias = weights(4, 4 // groups, 3, 2), weights(4)
    frames = spikes(RNG, 1, 1, 4, 9, 8)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(frames[0]).double(),
        torch.from_numpy(weight).double(),
        torch.from_numpy(bias).double(),
        **options,
    )[0]
    node = conv2d(weight, (9, 8), bias=bias, **options)
    network = reread(chain((4, 9, 8), {"conv": node}, tuple(expected.shape)), tmp_path)
    np.testing.assert_allclose(
        floating.run(network, frames).layers["readout"]["v"][0, 0], expected, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("padding", [2, "same", "valid"])
def test_a_one_dimensional_convolution_is_one_of_height_1(tmp_path: Path, padding: int | str) -> None:
    weight, bias = weights(3, 2, 5), weights(3)
    frames = spikes(RNG, 2, 10, 2, 1, 20)
    x = torch.from_numpy(frames[:, :, :, 0]).double().flatten(0, 1)
    expected = torch.nn.functional.conv1d(
        x, torch.from_numpy(weight).double(), torch.from_numpy(bias).double(), padding=padding
    )
    length = expected.shape[-1]
    conv = nir.Conv1d(input_shape=20, weight=weight, stride=1, padding=padding, dilation=1, groups=1, bias=bias)
    network = reread(chain((2, 20), {"conv": conv, "lif": lif((3, length))}, (3, length)), tmp_path)
    assert network.input_shape == (2, 1, 20)
    assert network.shapes["lif"] == (3, 1, length)
    u = floating.run(network, frames, states=2).layers["lif"]["u"]
    np.testing.assert_allclose(u[:, :, :, 0], expected.unflatten(0, (2, 10)), rtol=1e-5, atol=1e-5)


def test_average_pooling_is_a_sum_and_a_factor(tmp_path: Path) -> None:
    pool = nir.AvgPool2d(kernel_size=np.array([2, 3]), stride=np.array([2, 2]), padding=np.array([0, 1]))
    network = reread(chain((2, 6, 9), {"pool": pool}, (2, 3, 5)), tmp_path)
    assert isinstance(network.nodes["pool"], SumPool)
    assert isinstance(network.nodes["pool_mean"], Scale)
    frames = spikes(RNG, 1, 1, 2, 6, 9)
    expected = torch.nn.functional.avg_pool2d(torch.from_numpy(frames[0]).double(), (2, 3), (2, 2), (0, 1))[0]
    np.testing.assert_allclose(floating.run(network, frames).layers["readout"]["v"][0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("start", [0, 1])
def test_flatten_with_or_without_a_batch_axis_flattens_everything(tmp_path: Path, start: int) -> None:
    nodes = {
        "flat": nir.Flatten({"input": np.array([2, 3, 4])}, start, -1),
        "fc": nir.Affine(weights(5, 24), weights(5)),
        "lif": lif((5,)),
    }
    assert reread(chain((2, 3, 4), nodes, (5,)), tmp_path).shapes["flat"] == (24,)


def test_parameters_of_one_value_hold_for_every_neuron(tmp_path: Path) -> None:
    nodes = {"conv": conv2d(weights(3, 2, 3, 3), (6, 6)), "lif": lif((1,), beta=0.75)}
    neuron = reread(chain((2, 6, 6), nodes, (3, 4, 4)), tmp_path).nodes["lif"]
    assert isinstance(neuron, FloatNeuron)
    assert neuron.shape == (3, 4, 4)
    assert neuron.keep == np.float32(0.75)


def test_nested_graphs_become_flat_with_dotted_names(tmp_path: Path) -> None:
    cell = {**ends((4,), (4,)), "lif": lif((4,)), "w": nir.Linear(weights(4, 4))}
    inner = graph(cell, [("input", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "output")])
    outer = graph(
        {**ends((4,), (4,)), "cell": inner, "scale": nir.Scale(full((4,), 2))},
        [("input", "scale"), ("scale", "cell"), ("cell", "output")],
    )
    nodes = {**ends((6,), (2,)), "fc": nir.Linear(weights(4, 6)), "block": outer, "out": nir.Linear(weights(2, 4))}
    edges = [("input", "fc"), ("fc", "block"), ("block", "out"), ("out", "output")]
    network = reread(graph(nodes, edges), tmp_path)
    assert {"fc", "block.scale", "block.cell.lif", "block.cell.w", "out", "readout"} <= set(network.nodes)
    assert network.sources("block.cell.lif") == ["block.cell.w", "block.scale"]
    assert network.recurrent_edges == {("block.cell.w", "block.cell.lif")}
    frames = spikes(RNG, 3, 30, 6)
    assert floating.run(network, frames).layers["block.cell.lif"].output.any()


def test_a_subgraph_that_only_passes_on_is_an_edge(tmp_path: Path) -> None:
    wire = graph(ends((4,), (4,)), [("input", "output")])
    nodes = {**ends((4,), (4,)), "wire": wire, "lif": lif((4,))}
    network = reread(graph(nodes, [("input", "wire"), ("wire", "lif"), ("lif", "output")]), tmp_path)
    assert network.edges == (("input", "lif"), ("lif", "output"))


def test_branches_join_by_adding(tmp_path: Path) -> None:
    nodes = {
        **ends((3,), (3,)),
        "a": nir.Linear(np.eye(3, dtype=np.float32) * 2),
        "b": nir.Affine(np.eye(3, dtype=np.float32) * 3, full((3,), 0.5)),
        "i": nir.I(full((3,), 1 / DT)),
    }
    network = reread(graph(nodes, [("input", "a"), ("input", "b"), ("a", "i"), ("b", "i"), ("i", "output")]), tmp_path)
    frames = np.ones((1, 4, 3), np.uint8)
    assert np.array_equal(floating.run(network, frames).layers["i"]["v"][0, :, 0], [5.5, 11, 16.5, 22])


def test_a_graph_that_ends_in_a_synapse_gets_a_readout(tmp_path: Path) -> None:
    weight = np.array([[1, 0], [0, 3]], np.float32)
    network = reread(chain((2,), {"fc": nir.Linear(weight)}, (2,)), tmp_path)
    assert network.sources("output") == ["readout"]
    trace = floating.run(network, np.ones((1, 5, 2), np.uint8))
    assert np.array_equal(trace.layers["readout"]["v"][0, -1], [5, 15])
    assert trace.predictions == [1]


def test_a_graph_that_ends_in_a_neuron_stays_as_it_is(tmp_path: Path) -> None:
    network = reread(chain((4,), {"lif": lif((4,))}, (4,)), tmp_path)
    assert set(network.nodes) == {"input", "lif", "output"}


def test_delays_are_counted_in_steps_of_dt(tmp_path: Path) -> None:
    nodes = {"delay": nir.Delay(full((4,), 3e-3)), "lif": lif((4,))}
    assert reread(chain((4,), nodes, (4,)), tmp_path, dt=1e-3).nodes["delay"] == Delay(steps=3)
    with pytest.raises(UnsupportedError, match=r"delay.*whole number of at most"):
        reread(chain((4,), nodes, (4,)), tmp_path, dt=0.7e-3)


def test_dt_comes_from_the_caller_the_file_or_the_recordings(tmp_path: Path) -> None:
    node = nir.LIF(
        tau=full((4,), 2e-3), r=full((4,), 1), v_leak=full((4,), 0), v_threshold=full((4,), 1)
    )  # a leaky neuron whose keep tells the dt that was used
    written = chain((4,), {"lif": node}, (4,))
    said = graph(written.nodes, written.edges, {"dt": 5e-4})

    def keep(source: nir.NIRGraph, **options: Any) -> float:
        neuron = reread(source, tmp_path, **{"dt": None} | options).nodes["lif"]
        assert isinstance(neuron, FloatNeuron)
        return float(neuron.keep)

    assert keep(written, dt=1e-4) == np.float32(0.95)
    assert keep(written, step_us=1000) == np.float32(0.5)
    assert keep(said) == np.float32(0.75)
    assert keep(said, step_us=1000) == np.float32(0.75)
    assert keep(said, dt=1e-4) == np.float32(0.95)
    with pytest.raises(ModelError, match="--dt"):
        keep(written)


def test_the_step_and_the_number_of_steps_give_a_binning(tmp_path: Path) -> None:
    nodes = {"conv": conv2d(weights(3, 2, 3, 3), (6, 7)), "lif": lif((3, 4, 5))}
    written = chain((2, 6, 7), nodes, (3, 4, 5))
    binning = reread(written, tmp_path, step_us=1000, steps=30).binning
    assert binning is not None
    assert (binning.step_us, binning.steps, binning.height, binning.width) == (1000, 30, 6, 7)
    assert reread(written, tmp_path).binning is None


def test_a_threshold_node_is_a_neuron_without_memory(tmp_path: Path) -> None:
    nodes = {"fc": nir.Linear(np.eye(3, dtype=np.float32)), "fire": nir.Threshold(full((3,), 0.5))}
    network = reread(chain((3,), nodes, (3,)), tmp_path)
    frames = spikes(RNG, 2, 10, 3)
    assert np.array_equal(floating.run(network, frames).layers["fire"].output, frames.astype(bool))


def test_a_graph_with_everything_that_others_write_runs(tmp_path: Path) -> None:
    """IF neurons, a strided convolution, SumPool2d, Flatten, Affine with bias, a subgraph, a recurrent CubaLIF."""
    cell = {**ends((8,), (8,)), "lif": cuba((8,)), "w_rec": nir.Affine(weights(8, 8) * 0.3, weights(8) * 0.1)}
    rnn = graph(cell, [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")])
    nodes = {
        **ends((2, 12, 12), (5,)),
        "conv": conv2d(weights(4, 2, 3, 3), (12, 12), stride=2, padding=1, bias=weights(4)),
        "if1": if_((4, 6, 6), 2.0),
        "pool": nir.SumPool2d(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([4, 3, 3])}, 1, -1),
        "fc": nir.Affine(weights(8, 36), weights(8)),
        "rnn": rnn,
        "out": nir.Affine(weights(5, 8), weights(5) * 0.01),
        "li": nir.LI(tau=full((5,), 1e-3), r=full((5,), 10), v_leak=full((5,), 0)),
    }
    names = ["input", "conv", "if1", "pool", "flat", "fc", "rnn", "out", "li", "output"]
    network = reread(graph(nodes, list(itertools.pairwise(names))), tmp_path)
    assert isinstance(network.nodes["conv"], Conv)
    assert isinstance(network.nodes["rnn.w_rec"], Dense)
    trace = floating.run(network, spikes(RNG, 6, 50, 2, 12, 12))
    for name in ("if1", "rnn.lif"):
        assert trace.layers[name].output.mean() > 0.01
    assert np.ptp(trace.layers["li"]["v"][:, -1], axis=0).min() > 0, "the readout hears the recordings"
