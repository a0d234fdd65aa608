"""Writing a network and reading it back gives the same network; on the grid to the last bit and type."""

import itertools
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ckd.events import Binning
from deploy.errors import DeployError, GridError, ModelError, UnsupportedError
from deploy.formats.nir import read_nir, write_nir
from deploy.network import (
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
from deploy.network.parameters import compare_parameter
from deploy.passes.to_float import to_float
from deploy.quantization.search import quantize
from deploy.runners import floating, integer
from tests.deploy.formats.nir_graphs import chain, conv2d, cuba, if_, reread, spikes

BINNING = Binning(step_us=1000, steps=300, height=34, width=34, max_count=3)


def assert_same(a: Network, b: Network) -> None:
    assert list(a.nodes) == list(b.nodes)
    assert a.edges == b.edges
    for name, node in a.nodes.items():
        other = b.nodes[name]
        assert type(node) is type(other), name
        for field in fields(node):
            value, read = getattr(node, field.name), getattr(other, field.name)
            if isinstance(value, np.ndarray):
                assert value.dtype == read.dtype, (name, field.name)
                assert value.shape == read.shape, (name, field.name)
                assert np.array_equal(value, read), (name, field.name)
            else:
                assert value == read, (name, field.name)
    for name in ("dt", "binning", "classes", "chip", "scale_bits", "report"):
        assert getattr(a, name) == getattr(b, name), name


def neuron(shape: tuple[int, ...], rng: np.random.Generator, form: str, **changes: Any) -> GridNeuron:
    """Random grid neurons of one kind: "if", "lif", "cuba" or "readout", with parameters of several shapes."""
    first = (shape[0], *(1,) * (len(shape) - 1))
    dv = {"if": np.array(0), "lif": rng.integers(1, 4097, first), "readout": np.array(4096)}
    parameters: dict[str, Any] = {
        "shape": shape,
        "du": np.array(rng.integers(0, 4095)) if form == "cuba" else np.array(4095),
        "dv": dv.get(form, rng.integers(1, 4097, shape)),
        "vth": None if form == "readout" else rng.integers(0, 2**17, first).astype(np.int32),
        "bias": rng.integers(-(2**19), 2**19, first),
    }
    return GridNeuron(**parameters | changes)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kernel, stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 4))), draw(st.tuples(*[st.integers(1, 2)] * 2))
    padding, groups = draw(st.tuples(st.integers(0, 1), st.integers(0, 2))), draw(st.sampled_from([1, 2]))
    forms = draw(st.lists(st.sampled_from(["if", "lif", "cuba"]), min_size=2, max_size=2))
    exponents = draw(st.lists(st.integers(-4, 4), min_size=3, max_size=3))
    conv = Conv(
        weight=rng.integers(-128, 128, (4, 2 // groups, *kernel)).astype(draw(st.sampled_from([np.int64, np.int16])))
        * 2,
        stride=stride,
        padding=padding,
        dilation=(1, draw(st.integers(1, 2))),
        groups=groups,
        weight_exp=exponents[0],
    )
    nodes: dict[str, Node] = {"in": Input(shape=(2, 9, 12)), "conv": conv}
    probe = Network(nodes={**nodes, "o": Output()}, edges=(("in", "conv"), ("conv", "o")))
    shape = probe.shapes["conv"]
    nodes |= {"a": neuron(shape, rng, forms[0]), "delay": Delay(steps=draw(st.integers(0, 9))), "flat": Flatten()}
    size = int(np.prod(shape))
    nodes |= {
        "fc": Dense(weight=rng.integers(-256, 256, (6, size)), weight_exp=exponents[1]),
        "b": neuron((6,), rng, forms[1]),
        "again": Dense(weight=rng.integers(-256, 256, (6, 6)), weight_exp=exponents[1]),
        "out": Dense(weight=rng.integers(-256, 256, (3, 6)), weight_exp=exponents[2]),
        "readout": neuron((3,), rng, draw(st.sampled_from(["readout", "lif"]))),
        "end": Output(),
    }
    names = ["in", "conv", "a", "delay", "flat", "fc", "b", "out", "readout", "end"]
    edges = (*itertools.pairwise(names), ("b", "again"), ("again", "b"))
    scales = {name: draw(st.integers(-3, 20)) for name in ("a", "b", "readout")}
    return Network(
        nodes=nodes,
        edges=edges,
        dt=draw(st.sampled_from([1e-4, 1e-3, 0.0375, 1.0])),
        chip="loihi2",
        scale_bits=scales,
        classes=("zero", "ünï"),
        binning=BINNING,
        report=(compare_parameter("conv", "weight", np.array([1.0, 2.0]), np.array([1.0, 2.5])),),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks())
def test_on_the_grid_the_round_trip_is_the_identity(tmp_path: Path, network: Network) -> None:
    write_nir(network, tmp_path / "n.nir")
    assert_same(network, read_nir(tmp_path / "n.nir"))


def small(**changes: Any) -> Network:
    """conv -> lif -> pool -> conv -> lif -> flatten -> dense -> readout, on the grid."""
    rng = np.random.default_rng(0)

    def lif(shape: tuple[int, ...], vth: int | None = 150, **more: Any) -> GridNeuron:
        parameters: dict[str, Any] = {"du": np.array(4095), "dv": np.array(410), "bias": np.array(0)} | more
        return GridNeuron(shape=shape, vth=None if vth is None else np.array(vth), **parameters)

    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 8, 8)),
        "conv1": Conv(weight=rng.integers(-90, 128, (4, 2, 3, 3)) * 2, padding=(1, 1)),
        "lif1": lif((4, 8, 8), bias=rng.integers(-3000, 3000, (4, 1, 1))),
        "pool": SumPool(kernel=(2, 2), stride=(2, 2)),
        "conv2": Conv(weight=rng.integers(-80, 128, (4, 4, 3, 3)) * 2, padding=(1, 1)),
        "lif2": lif((4, 4, 4), 700),
        "flatten": Flatten(),
        "fc": Dense(weight=rng.integers(-128, 128, (3, 64)) * 2),
        "out": lif((3,), None),
        "output": Output(),
    }
    names = list(nodes)
    edges = tuple(itertools.pairwise(names))
    nodes |= changes
    return Network(nodes=nodes, edges=edges, chip="loihi2", scale_bits={"lif1": 7, "lif2": 6, "out": 8})


def test_a_reader_that_ignores_metadata_gets_the_same_network(tmp_path: Path) -> None:
    network = small()
    path = tmp_path / "n.nir"
    write_nir(network, path)
    with h5py.File(path, "r+") as file:
        for node in (file["node"], *file["node/nodes"].values()):  # pyright: ignore
            if "metadata" in node:  # pyright: ignore
                del node["metadata"]  # pyright: ignore
    foreign, expected = read_nir(path, dt=network.dt), to_float(network)
    for name, node in expected.nodes.items():
        if isinstance(node, Dense | Conv):
            assert np.array_equal(node.weight, foreign.nodes[name].weight), name  # pyright: ignore
        if isinstance(node, FloatNeuron) and node.threshold is not None:
            assert np.array_equal(node.threshold, foreign.nodes[name].threshold), name  # pyright: ignore
    frames = (np.random.default_rng(1).random((5, 40, 2, 8, 8)) < 0.3).astype(np.uint8)
    a, b = floating.run(expected, frames), floating.run(foreign, frames)
    for name in ("lif1", "lif2"):
        assert a.layers[name].output.mean() > 0.01
        # tau is rounded to float32, so a potential may differ in its last bits and, rarely, cross the threshold.
        assert np.mean(a.layers[name].output != b.layers[name].output) < 1e-3


def test_the_nir_package_reads_our_file_and_infers_its_types(tmp_path: Path) -> None:
    network = small()
    network = network.replace(nodes={**network.nodes, "flatten": Flatten()})
    write_nir(network, tmp_path / "n.nir")
    graph = nir.read(tmp_path / "n.nir")
    assert set(graph.nodes) == set(network.nodes)
    assert isinstance(graph.nodes["lif1"], nir.LIF)
    assert graph.metadata["reset"] == "zero"
    assert graph.metadata["grid"] == "loihi2"


def test_a_channel_bias_is_written_on_the_synapse_and_a_neuron_bias_in_the_leak(tmp_path: Path) -> None:
    per_neuron = np.random.default_rng(2).integers(-3000, 3000, (4, 4, 4))
    network = small(
        lif2=GridNeuron(shape=(4, 4, 4), du=np.array(4095), dv=np.array(99), vth=np.array(9), bias=per_neuron)
    )
    write_nir(network, tmp_path / "n.nir")
    graph = nir.read(tmp_path / "n.nir")
    lif1 = network.nodes["lif1"]
    assert isinstance(lif1, GridNeuron)
    assert np.array_equal(graph.nodes["conv1"].bias, lif1.bias[:, 0, 0] / 2.0 ** (7 + 6))  # pyright: ignore
    assert not graph.nodes["lif1"].v_leak.any()  # pyright: ignore
    assert not graph.nodes["conv2"].bias.any()  # pyright: ignore
    assert graph.nodes["lif2"].v_leak.any()  # pyright: ignore
    assert_same(network, read_nir(tmp_path / "n.nir"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lif1": {"dv": np.array(0), "du": np.array(7)}}, "lif1.*decays"),
        ({"lif1": {"dv": np.arange(4).reshape(4, 1, 1)}}, "lif1.*some neurons have dv = 0"),
        ({"lif1": {"dv": np.array(0), "bias": np.arange(256).reshape(4, 8, 8)}}, "lif1.*bias.*NIR cannot say"),
        ({"lif1": {"vth": np.array(2**26 + 1)}}, "lif1.*float32"),
    ],
)
def test_what_nir_cannot_say_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    from dataclasses import replace

    network = small()
    network = network.replace(
        nodes={**network.nodes, **{k: replace(network.nodes[k], **v) for k, v in changes.items()}}  # pyright: ignore
    )
    with pytest.raises(DeployError, match=message):
        write_nir(network, tmp_path / "n.nir")
    assert not list(tmp_path.iterdir()), "a refusal leaves nothing behind"


def test_a_synapse_between_neurons_of_different_scales_is_refused(tmp_path: Path) -> None:
    network = small()
    nodes = {**network.nodes, "lif2b": network.nodes["lif2"]}
    shared = Network(
        nodes=nodes,
        edges=(*network.edges, ("conv2", "lif2b"), ("lif2b", "flatten")),
        scale_bits={**network.scale_bits, "lif2b": 3},
    )
    with pytest.raises(UnsupportedError, match="conv2: feeds neurons of different scales"):
        write_nir(shared, tmp_path / "n.nir")


def test_a_name_with_a_slash_is_refused(tmp_path: Path) -> None:
    network = Network(
        nodes={"a/b": Input(shape=(2,)), "o": Output()},
        edges=(("a/b", "o"),),
    )
    with pytest.raises(ModelError, match="a/b"):
        write_nir(network, tmp_path / "n.nir")


def _edit(path: Path, place: str, change: Any) -> None:
    with h5py.File(path, "r+") as file:
        data = file["node/nodes"][place]  # pyright: ignore
        data[...] = change(data[()])  # pyright: ignore


def test_an_edited_weight_on_the_grid_is_read_as_edited(tmp_path: Path) -> None:
    network = small()
    write_nir(network, tmp_path / "n.nir")
    _edit(tmp_path / "n.nir", "conv1/weight", lambda w: w + 2 / 2**7)
    read, conv = read_nir(tmp_path / "n.nir").nodes["conv1"], network.nodes["conv1"]
    assert isinstance(read, Conv)
    assert isinstance(conv, Conv)
    assert np.array_equal(read.weight, conv.weight + 2)


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("conv1/weight", lambda w: w * 1.001),
        ("lif1/v_threshold", lambda v: v + 1e-4),
        ("lif1/tau", lambda tau: tau * 1.0005),
        ("lif1/r", lambda r: r * 1.01),
        ("lif1/v_reset", lambda v: v - 1),
        ("fc/weight", lambda w: w + 1e-3),
    ],
)
def test_a_value_off_the_grid_is_refused(tmp_path: Path, place: str, change: Any) -> None:
    write_nir(small(), tmp_path / "n.nir")
    _edit(tmp_path / "n.nir", place, change)
    with pytest.raises(GridError, match=place.split("/")[0]):
        read_nir(tmp_path / "n.nir")


def test_another_dt_than_the_grids_is_refused(tmp_path: Path) -> None:
    write_nir(small(), tmp_path / "n.nir")
    with pytest.raises(ModelError, match="dt"):
        read_nir(tmp_path / "n.nir", dt=1e-3)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    write_nir(small(), tmp_path / "n.nir")
    with h5py.File(tmp_path / "n.nir", "r+") as file:
        file["node/metadata/ckd_version"][...] = 99  # pyright: ignore
    with pytest.raises(ModelError, match="version 99"):
        read_nir(tmp_path / "n.nir")


def float_network(**changes: Any) -> Network:
    rng = np.random.default_rng(3)
    one, zero = np.ones((), np.float32), np.zeros((), np.float32)

    def array(*shape: int, low: float = -0.5, high: float = 0.5) -> Any:
        return rng.uniform(low, high, shape).astype(np.float32)

    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 8, 8)),
        "conv": Conv(weight=array(4, 2, 3, 3), bias=array(4), padding=(1, 1)),
        "lif": FloatNeuron(
            shape=(4, 8, 8),
            keep=array(4, 1, 1, low=0.5, high=0.99),
            gain=one,
            bias=zero,
            threshold=array(4, 8, 8, low=0.2),
        ),
        "flatten": Flatten(),
        "fc": Dense(weight=array(5, 256)),
        "cuba": FloatNeuron(
            shape=(5,),
            keep=np.array(0.875, np.float32),
            gain=array(5, low=0.1),
            bias=array(5, low=0.01, high=0.1),
            threshold=one,
            reset=array(5),
            current_keep=np.array(0.75, np.float32),
            current_gain=one,
        ),
        "out": Dense(weight=array(3, 5)),
        "readout": FloatNeuron(shape=(3,), keep=one, gain=one, bias=zero, threshold=None),
        "output": Output(),
    }
    names = list(nodes)
    nodes |= changes
    return Network(nodes=nodes, edges=tuple(itertools.pairwise(names)), binning=BINNING)


def test_average_pooling_and_a_plain_readout_are_written_as_other_tools_know_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    one, zero = np.ones((), np.float32), np.zeros((), np.float32)
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 6, 6)),
        "pool": SumPool(kernel=(2, 3), stride=(2, 3)),
        "pool_mean": Scale(factor=np.array(1 / 6, np.float32)),
        "flatten": Flatten(),
        "fc": Dense(weight=rng.normal(size=(3, 12)).astype(np.float32)),
        "readout": FloatNeuron(shape=(3,), keep=one, gain=one, bias=zero, threshold=None),
        "output": Output(),
    }
    network = Network(nodes=nodes, edges=tuple(itertools.pairwise(nodes)))
    write_nir(network, tmp_path / "n.nir")
    written = {name: type(node).__name__ for name, node in nir.read(tmp_path / "n.nir").nodes.items()}
    assert written == {
        "input": "Input",
        "pool": "AvgPool2d",
        "flatten": "Flatten",
        "fc": "Linear",
        "output": "Output",
    }
    read = read_nir(tmp_path / "n.nir")
    assert set(read.edges) == set(network.edges)
    assert_same(network, read.replace(edges=network.edges))


def test_a_float_network_comes_back_with_the_same_function(tmp_path: Path) -> None:
    network = float_network()
    write_nir(network, tmp_path / "n.nir")
    read = read_nir(tmp_path / "n.nir")
    assert list(read.nodes) == list(network.nodes)
    assert read.binning == network.binning
    for name in ("conv", "fc", "out"):
        assert np.array_equal(network.nodes[name].weight, read.nodes[name].weight)  # pyright: ignore
    for name, node in network.neurons.items():
        other = read.nodes[name]
        assert isinstance(node, FloatNeuron)
        assert isinstance(other, FloatNeuron)
        # beta of at least 0.5 is recovered exactly from a float32 tau; the rest to two roundings.
        assert np.array_equal(np.broadcast_to(node.keep, node.shape), np.broadcast_to(other.keep, node.shape))
        for field in ("gain", "bias", "threshold", "reset", "current_keep", "current_gain"):
            value, back = getattr(node, field), getattr(other, field)
            assert (value is None) == (back is None), (name, field)
            if value is not None:
                np.testing.assert_allclose(*np.broadcast_arrays(back, value), rtol=2e-6, atol=1e-9)


def test_integrate_and_fire_with_a_bias_puts_it_on_its_synapse(tmp_path: Path) -> None:
    one, zero = np.ones((), np.float32), np.zeros((), np.float32)
    bias = np.array([0.5, -0.25, 0.125], np.float32)
    biased = FloatNeuron(shape=(3,), keep=one, gain=one, bias=bias, threshold=None)
    write_nir(float_network(readout=biased), tmp_path / "n.nir")
    graph = nir.read(tmp_path / "n.nir")
    assert isinstance(graph.nodes["readout"], nir.I)
    assert np.array_equal(graph.nodes["out"].bias, bias)  # pyright: ignore
    fire = FloatNeuron(
        shape=(4, 8, 8), keep=one, gain=one, bias=np.arange(256, dtype=np.float32).reshape(4, 8, 8), threshold=zero
    )
    with pytest.raises(UnsupportedError, match=r"lif.*bias"):
        write_nir(float_network(lif=fire), tmp_path / "m.nir")


def test_a_graph_from_elsewhere_survives_quantizing_writing_and_reading(tmp_path: Path) -> None:
    """IF neurons, a strided convolution with biases, SumPool2d, a recurrent CubaLIF: the integers run as before."""
    rng = np.random.default_rng(7)

    def weights(*shape: int, spread: float = 0.5) -> Any:
        return rng.normal(0, spread, shape).astype(np.float32)

    nodes: dict[str, nir.NIRNode] = {
        "conv": conv2d(weights(4, 2, 3, 3), (12, 12), stride=2, padding=1, bias=weights(4, spread=0.1)),
        "if1": if_((4, 6, 6), 2.0),
        "pool": nir.SumPool2d(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([4, 3, 3])}, 0, -1),
        "fc": nir.Affine(weights(8, 36), weights(8, spread=0.1)),
        "cuba": cuba((8,)),
        "out": nir.Affine(weights(5, 8), weights(5, spread=0.1)),
        "li": nir.LI(tau=np.full(5, 1e-3, np.float32), r=np.full(5, 10, np.float32), v_leak=np.zeros(5, np.float32)),
    }
    written = chain((2, 12, 12), nodes, (5,))
    written.nodes["back"] = nir.Linear(weights(8, 8, spread=0.2))
    written.edges += [("cuba", "back"), ("back", "cuba")]
    network = reread(written, tmp_path)
    frames = spikes(rng, 12, 60, 2, 12, 12)
    quantized = quantize(network, frames)
    write_nir(quantized, tmp_path / "ready.nir")
    read = read_nir(tmp_path / "ready.nir")
    assert_same(quantized, read)
    before, after = integer.run(quantized, frames), integer.run(read, frames)
    for name in ("if1", "cuba"):
        assert before.layers[name].output.mean() > 0.01
        assert np.array_equal(before.layers[name].output, after.layers[name].output)
    assert np.array_equal(before.layers["li"]["v"], after.layers["li"]["v"])
    assert np.mean(floating.run(network, frames).predictions == after.predictions) > 0.8
