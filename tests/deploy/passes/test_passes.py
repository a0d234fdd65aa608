"""Passes change the graph and not what it computes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deploy.errors import ModelError
from deploy.network import (
    Array,
    Conv,
    Delay,
    Dense,
    Flatten,
    FloatNeuron,
    GridNeuron,
    Input,
    Network,
    Node,
    Output,
    Scale,
    SumPool,
)
from deploy.passes.drop_identity import drop_identity
from deploy.passes.fold_linear import fold_linear
from deploy.passes.fold_pooling import fold_pooling
from deploy.passes.fold_scale import fold_scale
from deploy.passes.merge_linear import merge_linear
from deploy.passes.to_float import to_float
from deploy.runners import floating, integer

ONE, ZERO = np.ones((), np.float32), np.zeros((), np.float32)
IDENTITY = (2, 3, 4)


def line(shape: tuple[int, ...], nodes: dict[str, Node]) -> Network:
    """Input, the nodes, an integrator without leak whose potential shows every sum, Output."""
    names = ["input", *nodes, "sum", "output"]
    edges = tuple(pairwise(names))
    before: dict[str, Node] = {"input": Input(shape=shape), **nodes}
    bare = Network(nodes={**before, "output": Output()}, edges=tuple(pairwise([*before, "output"])))
    readout = FloatNeuron(shape=bare.shapes["output"], keep=ONE, gain=ONE, bias=ZERO, threshold=None)
    return Network(nodes={**before, "sum": readout, "output": Output()}, edges=edges)


def assert_same_function(a: Network, b: Network, rtol: float = 1e-6) -> None:
    """Potentials equal to float32 rounding of the weights, relative to the size of the sums."""
    frames = np.random.default_rng(9).integers(0, 4, (2, 5, *a.input_shape)).astype(np.uint8)
    x, y = floating.run(a, frames).layers["sum"]["v"], floating.run(b, frames).layers["sum"]["v"]
    assert np.abs(x).max() > 0
    np.testing.assert_allclose(y, x, rtol=0, atol=rtol * max(1.0, float(np.abs(x).max())) * 4)


def kinds(network: Network) -> set[type]:
    return {type(node) for node in network.nodes.values()}


def values(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@st.composite
def pooled_convolutions(draw: st.DrawFn) -> Network:
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    groups = draw(st.sampled_from([1, 2]))
    padding = draw(st.tuples(st.integers(0, 1), st.integers(0, 1)))
    nodes: dict[str, Node] = {
        "pool": SumPool(kernel=draw(pair), stride=draw(pair), padding=padding),
        "conv": Conv(
            weight=values(4, 4 // groups, *draw(pair), seed=draw(st.integers(0, 99))),
            bias=values(4),
            stride=draw(pair),
            padding=draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
            dilation=draw(pair),
            groups=groups,
        ),
    }
    size = draw(st.tuples(st.integers(6, 17), st.integers(6, 17)))
    try:
        return line((4, *size), nodes)
    except ModelError:
        assume(False)
        raise


@settings(max_examples=300, deadline=None)
@given(pooled_convolutions())
def test_pooling_folds_into_a_convolution_exactly_or_stays(network: Network) -> None:
    """Random windows, strides, paddings, dilations and groups: whatever the pass decides, the function is the same."""
    assert_same_function(network, fold_pooling(network))


def _pooled(size: int, padding: int) -> Network:
    nodes: dict[str, Node] = {
        "pool": SumPool(kernel=(2, 2), stride=(2, 2)),
        "conv": Conv(weight=values(3, 2, 3, 3), padding=(padding, padding)),
    }
    return line((2, size, size), nodes)


def test_pooling_that_divides_its_image_folds_under_a_padded_convolution() -> None:
    folded = fold_pooling(_pooled(16, 1))
    conv = folded.nodes["conv"]
    assert "pool" not in folded.nodes
    assert isinstance(conv, Conv)
    assert (conv.weight.shape, conv.stride, conv.padding) == ((3, 2, 6, 6), (2, 2), (2, 2))


def test_pooling_that_drops_a_row_folds_only_where_no_padding_stands_in_for_it() -> None:
    assert "pool" not in fold_pooling(_pooled(17, 0)).nodes
    assert "pool" in fold_pooling(_pooled(17, 1)).nodes


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_pooling_folds_through_flatten_into_a_dense_layer(data: st.DataObject) -> None:
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    pool = SumPool(kernel=data.draw(pair), stride=data.draw(pair), padding=(1, 0))
    shape = (2, data.draw(st.integers(4, 9)), data.draw(st.integers(4, 9)))
    flat = int(np.prod(line(shape, {"pool": pool}).shapes["pool"]))
    network = line(shape, {"pool": pool, "flat": Flatten(), "fc": Dense(weight=values(5, flat), bias=values(5))})
    folded = fold_pooling(network)
    assert "pool" not in folded.nodes
    assert_same_function(network, folded)


def test_pooling_feeds_several_synapses_and_folds_into_each() -> None:
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 8, 8)),
        "pool": SumPool(kernel=(2, 2), stride=(2, 2)),
        "a": Conv(weight=values(3, 2, 3, 3), padding=(1, 1)),
        "b": Conv(weight=values(3, 2, 1, 1, seed=1)),
        "sum": FloatNeuron(shape=(3, 4, 4), keep=ONE, gain=ONE, bias=ZERO, threshold=None),
        "output": Output(),
    }
    edges = (("input", "pool"), ("pool", "a"), ("pool", "b"), ("a", "sum"), ("b", "sum"), ("sum", "output"))
    network = Network(nodes=nodes, edges=edges)
    folded = fold_pooling(network)
    assert kinds(folded) == {Input, Conv, FloatNeuron, Output}
    assert_same_function(network, folded)


def test_pooling_before_neurons_becomes_a_convolution_of_ones() -> None:
    network = line((3, 8, 6), {"pool": SumPool(kernel=(2, 2), stride=(2, 2), padding=(1, 0))})
    folded = fold_pooling(network)
    assert isinstance(folded.nodes["pool"], Conv)
    assert_same_function(network, folded, rtol=0)


FACTORS = {
    "one value": np.float32(0.25),
    "one value a channel": values(4, 1, 1),
    "one value a channel, written in full": np.broadcast_to(values(4, 1, 1), (4, 6, 6)).copy(),
    "one value a pixel": values(4, 6, 6),
}


@pytest.mark.parametrize("what", FACTORS)
@pytest.mark.parametrize("groups", [1, 2])
def test_a_factor_folds_into_the_convolution_behind_it(what: str, groups: int) -> None:
    conv = Conv(weight=values(4, 4 // groups, 3, 3), bias=values(4), padding=(1, 1), groups=groups)
    network = line((4, 6, 6), {"scale": Scale(factor=np.asarray(FACTORS[what])), "conv": conv})
    folded = fold_scale(network)
    assert ("scale" in folded.nodes) == (what == "one value a pixel")
    assert_same_function(network, folded)


@pytest.mark.parametrize("what", FACTORS)
def test_a_factor_folds_through_flatten_into_a_dense_layer(what: str) -> None:
    dense = Dense(weight=values(3, 144), bias=values(3))
    network = line((4, 6, 6), {"scale": Scale(factor=np.asarray(FACTORS[what])), "flat": Flatten(), "fc": dense})
    folded = fold_scale(network)
    assert "scale" not in folded.nodes
    assert_same_function(network, folded)


def test_a_factor_folds_into_the_gain_of_neurons() -> None:
    network = line((4, 6, 6), {"scale": Scale(factor=values(4, 6, 6))})
    folded = fold_scale(network)
    assert set(folded.nodes) == {"input", "sum", "output"}
    assert_same_function(network, folded)


def test_a_factor_before_a_join_folds_into_the_synapse_before_it() -> None:
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 5, 5)),
        "conv": Conv(weight=values(2, 2, 3, 3), bias=values(2), padding=(1, 1)),
        "scale": Scale(factor=values(2, 1, 1)),
        "sum": FloatNeuron(shape=(2, 5, 5), keep=ONE, gain=ONE, bias=ZERO, threshold=None),
        "output": Output(),
    }
    edges = (("input", "conv"), ("conv", "scale"), ("scale", "sum"), ("input", "sum"), ("sum", "output"))
    network = Network(nodes=nodes, edges=edges)
    folded = fold_scale(network)
    assert "scale" not in folded.nodes
    assert_same_function(network, folded)


def test_nodes_that_do_nothing_go() -> None:
    nodes: dict[str, Node] = {
        "pool": SumPool(kernel=(1, 1), stride=(1, 1)),
        "scale": Scale(factor=np.ones((2, 1, 1), np.float32)),
        "flat": Flatten(),
        "again": Flatten(),
        "wait": Delay(steps=0),
        "delay": Delay(steps=2),
    }
    network = line(IDENTITY, nodes)
    dropped = drop_identity(network)
    assert set(dropped.nodes) == {"input", "flat", "delay", "sum", "output"}
    assert_same_function(network, dropped, rtol=0)


def test_linear_neighbors_merge() -> None:
    nodes: dict[str, Node] = {
        "s1": Scale(factor=values(2, 3, 4)),
        "s2": Scale(factor=np.float32(2)),  # pyright: ignore[reportArgumentType]
        "d1": Delay(steps=1),
        "d2": Delay(steps=2),
        "flat": Flatten(),
        "fc1": Dense(weight=values(6, 24), bias=values(6)),
        "fc2": Dense(weight=values(3, 6), bias=values(3)),
    }
    network = line(IDENTITY, nodes)
    merged = merge_linear(network)
    assert set(merged.nodes) == {"input", "s2", "d2", "flat", "fc2", "sum", "output"}
    assert merged.nodes["d2"] == Delay(steps=3)
    assert_same_function(network, merged)


def test_a_bottleneck_is_not_multiplied_out() -> None:
    nodes: dict[str, Node] = {"flat": Flatten(), "down": Dense(weight=values(2, 24)), "up": Dense(weight=values(20, 2))}
    network = line(IDENTITY, nodes)
    assert {"down", "up"} <= set(merge_linear(network).nodes)


def test_a_dense_layer_that_others_need_is_not_merged() -> None:
    network = line((4,), {"a": Dense(weight=values(4, 4)), "b": Dense(weight=values(4, 4))})
    branched = network.replace(edges=(*network.edges, ("a", "sum")))
    assert "a" in merge_linear(branched).nodes


def test_a_student_keeps_only_synapses_and_neurons() -> None:
    def lif(shape: tuple[int, ...]) -> FloatNeuron:
        return FloatNeuron(shape=shape, keep=np.float32(0.5) + ZERO, gain=ONE, bias=ZERO, threshold=ONE)

    nodes: dict[str, Node] = {
        "conv1": Conv(weight=values(4, 2, 3, 3), bias=values(4), padding=(0, 0)),
        "lif1": lif((4, 16, 16)),
        "pool1": SumPool(kernel=(2, 2), stride=(2, 2)),
        "pool1.scale": Scale(factor=np.float32(0.25) + ZERO),
        "conv2": Conv(weight=values(4, 4, 3, 3), bias=values(4), padding=(1, 1)),
        "lif2": lif((4, 8, 8)),
        "delay": Delay(steps=1),
        "pool2": SumPool(kernel=(2, 2), stride=(2, 2)),
        "pool2.scale": Scale(factor=np.float32(0.25) + ZERO),
        "flat": Flatten(),
        "fc": Dense(weight=values(10, 64), bias=values(10)),
    }
    network = line((2, 18, 18), nodes)
    folded = fold_linear(network)
    assert kinds(folded) == {Input, Conv, Dense, Flatten, FloatNeuron, Output, Delay}
    assert list(folded.neurons) == list(network.neurons)
    frames = (np.random.default_rng(0).random((4, 20, 2, 18, 18)) < 0.3).astype(np.uint8)
    a, b = floating.run(network, frames, states=4), floating.run(folded, frames, states=4)
    for name in ("lif1", "lif2"):
        assert a.layers[name].output.mean() > 0.01
    # 1/4 is a power of two, so only the order of summation differs, and with it the last bits.
    assert np.mean(a.layers["lif2"].output != b.layers["lif2"].output) < 1e-4
    np.testing.assert_allclose(a.layers["lif2"]["u"], b.layers["lif2"]["u"], atol=1e-4)


def test_folding_twice_changes_nothing() -> None:
    folded = fold_linear(_pooled(16, 1))
    assert fold_linear(folded).nodes == folded.nodes


def _grid(pool: SumPool, conv: Conv) -> Network:
    def lif(shape: tuple[int, ...], vth: int) -> GridNeuron:
        return GridNeuron(
            shape=shape, du=np.array(4095), dv=np.array(400), vth=np.array(vth), bias=np.zeros((), np.int64)
        )

    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 8, 8)),
        "conv1": Conv(weight=np.random.default_rng(0).integers(-60, 100, (4, 2, 3, 3)) * 2, padding=(1, 1)),
        "lif1": lif((4, 8, 8), 200),
        "pool": pool,
        "conv2": conv,
        "lif2": lif((3, 4, 4), 400),
        "output": Output(),
    }
    return Network(nodes=nodes, edges=tuple(pairwise(nodes)), chip="loihi2", scale_bits={"lif1": 7, "lif2": 8})


def test_on_the_grid_folded_pooling_gives_the_same_integers() -> None:
    weight = np.random.default_rng(1).integers(-60, 100, (3, 4, 3, 3)) * 2
    network = _grid(SumPool(kernel=(2, 2), stride=(2, 2)), Conv(weight=weight, padding=(1, 1), weight_exp=-1))
    folded = fold_linear(network)
    assert "pool" not in folded.nodes
    frames = (np.random.default_rng(2).random((3, 30, 2, 8, 8)) < 0.3).astype(np.uint8)
    a, b = (integer.run(n, frames, states=3, digests=True) for n in (network, folded))
    assert a.layers["lif2"].output.mean() > 0.01
    assert np.array_equal(a.layers["lif2"].output, b.layers["lif2"].output)
    assert np.array_equal(a.layers["lif2"]["v"], b.layers["lif2"]["v"])


def test_on_the_grid_overlapping_windows_whose_sums_leave_it_stay() -> None:
    weight = np.full((3, 4, 2, 2), 200, np.int64)
    weight[0] = -200
    network = _grid(SumPool(kernel=(4, 4), stride=(1, 1)), Conv(weight=weight))
    assert "pool" in fold_linear(network).nodes


def test_the_grid_as_floats_is_the_same_network_up_to_the_rounding_of_the_leak() -> None:
    weight = np.random.default_rng(1).integers(-60, 100, (3, 4, 3, 3)) * 2
    network = _grid(SumPool(kernel=(2, 2), stride=(2, 2)), Conv(weight=weight, padding=(1, 1)))
    frames = (np.random.default_rng(2).random((5, 30, 2, 8, 8)) < 0.3).astype(np.uint8)
    exact, close = (
        integer.run(network, frames, states=5, digests=True),
        floating.run(network, frames, states=5, digests=True),
    )
    # The leak rounds towards zero by less than one unit, 2^-6 of a weight, in each of 30 steps.
    assert np.array_equal(exact.layers["lif1"]["u"] / 2.0**13, close.layers["lif1"]["u"])
    assert exact.layers["lif1"].output.mean() > 0.01
    assert np.mean(exact.layers["lif1"].output != close.layers["lif1"].output) < 0.002
    assert not to_float(network).on_grid
