"""ONNX graphs under onnxruntime give what the simulators give: the integers to the last bit of every state."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deploy
from benchmarks.nir_support import support_table
from ckd.events import Binning
from deploy import grid
from deploy.formats.files import load
from deploy.formats.model_file import ModelFile
from deploy.network import (
    Array,
    Conv,
    Delay,
    Dense,
    Flatten,
    FloatNeuron,
    Input,
    Network,
    Node,
    Output,
    Scale,
    SumPool,
)
from deploy.runners import floating, integer
from deploy.traces.trace import Trace
from tests.builders import cells, chain, even, events, small

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

from deploy.formats.onnx import write_onnx  # noqa: E402
from deploy.formats.onnx.functions import OPSET  # noqa: E402
from deploy.formats.onnx.integers import planes  # noqa: E402
from deploy.runners import onnx as runner  # noqa: E402


def assert_same_records(expected: Trace, found: Trace) -> None:
    for name, layer in expected.layers.items():
        for kind in (layer.gives, "u", "v"):
            np.testing.assert_array_equal(found.layers[name][kind], layer[kind], err_msg=f"{name} {kind}")


def assert_equal_to_the_integer_simulator(network: Network, frames: Array, path: Path | None = None) -> None:
    """Every spike, current and potential of the graph, and of the file where a path is given."""
    expected = integer.run(network, frames, states=len(frames), digests=True)
    model: Network | ModelFile = network
    if path is not None:
        write_onnx(network, path)
        model = load(path)
    found = runner.run(model, frames, states=len(frames), digests=True, batch=2)
    for name in network.neurons:
        if name in expected.spiking:
            assert 0 < expected.layers[name].output.mean() < 1, name
            np.testing.assert_array_equal(found.layers[name].output, expected.layers[name].output, err_msg=name)
        for kind in ("u", "v", "u_digest", "v_digest"):
            a, b = (trace.layers[name][kind] for trace in (found, expected))
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b, err_msg=f"{name} {kind}")
    np.testing.assert_array_equal(found.predictions, expected.predictions)
    assert deploy.compare(expected, found)


def branches(rng: np.random.Generator) -> Network:
    """Two branches of different exponents into one layer, a recurrent synapse, a delay, and joined spikes."""
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 6, 6)),
        "conv1": Conv(weight=even(rng, 4, 2, 3, 3), padding=(1, 1)),
        "lif1": cells(4, 6, 6, vth=130, dv=rng.integers(0, 4097, (4, 1, 1)), bias=rng.integers(-900, 900, (4, 1, 1))),
        "conv2": Conv(weight=even(rng, 4, 4, 3, 3), padding=(1, 1), weight_exp=-2),
        "shortcut": Conv(weight=rng.integers(0, 256, (4, 2, 1, 1)), groups=2, weight_exp=1),
        "lif2": cells(4, 6, 6, vth=rng.integers(90, 200, (4, 6, 6)), du=rng.integers(0, 4095, (4, 1, 1)), dv=77),
        "delay": Delay(steps=2),
        "flatten": Flatten(),
        "fc": Dense(weight=even(rng, 5, 144, largest=60), weight_exp=-1),
        "again": Dense(weight=even(rng, 5, 5)),
        "lif3": cells(5, vth=300, dv=4096, bias=np.array([1, 0, -64, 3, 7])),
        "classifier": Dense(weight=even(rng, 3, 5)),
        "readout": cells(3, vth=None, dv=3, du=100, bias=np.array([-1, 0, 1])),
        "output": Output(),
    }
    edges = [
        ("input", "conv1"),
        ("conv1", "lif1"),
        ("lif1", "conv2"),
        ("conv2", "lif2"),
        ("lif1", "shortcut"),
        ("shortcut", "lif2"),
        ("lif2", "flatten"),
        ("lif1", "delay"),
        ("delay", "flatten"),
        ("flatten", "fc"),
        ("fc", "lif3"),
        ("lif3", "again"),
        ("again", "lif3"),
        ("lif3", "classifier"),
        ("classifier", "readout"),
        ("readout", "output"),
    ]
    return Network(nodes=nodes, edges=tuple(edges))


def test_a_network_with_branches_recurrence_delays_and_exponents_is_equal_to_the_integer_simulator(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(1)
    network = branches(rng)
    assert network.recurrent_edges
    assert_equal_to_the_integer_simulator(network, events(rng, 5, 12, (2, 6, 6)), tmp_path / "student.onnx")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_layers_are_equal_to_the_integer_simulator_in_every_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = [(-256, 256), (0, 256), (-255, 1), (-3, 4), (-2000, 2000)][seed % 5]
    groups = int(rng.integers(1, 3))
    conv = Conv(
        weight=rng.integers(low, high, (4, 4 // groups, *rng.integers(1, 4, 2))),
        stride=tuple(rng.integers(1, 3, 2).tolist()),
        padding=tuple(rng.integers(0, 3, 2).tolist()),
        dilation=tuple(rng.integers(1, 3, 2).tolist()),
        groups=groups,
        weight_exp=int(rng.integers(-5, 6)),
    )
    shape = chain(input=Input(shape=(4, 9, 8)), conv=conv, output=Output()).shapes["conv"]
    lif = cells(
        *shape,
        vth=int(rng.integers(0, 2000)),
        du=rng.integers(0, 4096, (4, 1, 1)) if seed % 2 else 4095,
        dv=rng.integers(0, 4097, shape),
        bias=rng.integers(-(2**19), 2**19, (4, 1, 1)) // 64,
    )
    fc = Dense(weight=rng.integers(low, high, (6, int(np.prod(shape)))), weight_exp=int(rng.integers(-3, 4)))
    readout = cells(6, vth=None, du=int(rng.integers(0, 4096)), dv=int(rng.integers(0, 4097)))
    network = chain(
        input=Input(shape=(4, 9, 8)), conv=conv, lif=lif, flatten=Flatten(), fc=fc, readout=readout, output=Output()
    )
    frames = rng.integers(0, 256 if seed % 3 else 2, (3, 6, 4, 9, 8)).astype(np.uint8)
    expected = integer.run(network, frames, states=3, digests=True)
    found = runner.run(network, frames, states=3, digests=True)
    assert_same_records(expected, found)


def test_currents_that_wrap_and_potentials_that_saturate_do_so_as_on_the_chip() -> None:
    network = small(fc=Dense(weight=np.full((2, 3), 254), weight_exp=7), lif=cells(2, vth=grid.VTH_MAX, dv=0, du=9))
    frames = np.random.default_rng(0).integers(0, 2, (3, 60, 3)).astype(np.uint8)
    expected = integer.run(network, frames, states=3, digests=True)
    assert sum(expected.overflows.values()) > 100
    found = runner.run(network, frames, states=3, digests=True)
    np.testing.assert_array_equal(found.layers["lif"]["u"], expected.layers["lif"]["u"])
    np.testing.assert_array_equal(found.layers["lif"]["v"], expected.layers["lif"]["v"])


def test_pooled_counts_are_summed_exactly() -> None:
    rng = np.random.default_rng(2)
    network = chain(
        input=Input(shape=(2, 8, 8)),
        pool=SumPool(kernel=(3, 2), stride=(2, 2), padding=(1, 0)),
        conv=Conv(weight=even(rng, 3, 2, 2, 2)),
        lif=cells(3, 3, 3, vth=500, dv=300),
        output=Output(),
    ).replace(binning=Binning(step_us=1, steps=9, height=8, width=8, max_count=4))
    frames = rng.integers(0, 5, (4, 9, 2, 8, 8)).astype(np.uint8)
    assert_equal_to_the_integer_simulator(network, frames)


@pytest.mark.parametrize(
    ("low", "high", "count"),
    [(-256, 254, 1), (0, 255, 1), (-255, 0, 1), (-256, 0, 1), (-100, 100, 1), (-256, 255, 2), (-32768, 32767, 2)],
)
def test_weights_are_bytes_without_loss(low: int, high: int, count: int) -> None:
    weight = np.arange(low, high + 1)
    if (low, high) in ((-256, 254), (-256, 0)):
        weight = weight[::2]
    split = planes("fc", weight)
    assert len(split) == count and all(plane.byte.dtype == np.uint8 for plane in split)
    total = sum(plane.factor * (plane.byte.astype(np.int64) - plane.zero) for plane in split)
    np.testing.assert_array_equal(total, weight)


def float_network(rng: np.random.Generator) -> Network:
    def values(*shape: int, low: float = -0.3, high: float = 0.4) -> Array:
        return rng.uniform(low, high, shape).astype(np.float32)

    def neuron(*shape: int, **changes: Any) -> FloatNeuron:
        first = (shape[0], *(1,) * (len(shape) - 1))
        plain: dict[str, Any] = {
            "keep": values(*first, low=0.3, high=1),
            "gain": np.float32(0.9) * np.ones(()),
            "bias": values(*first, low=-0.05, high=0.05),
            "threshold": np.ones(()),
        }
        return FloatNeuron(shape=shape, **plain | changes)

    current = {"current_keep": values(5, low=0.2, high=0.9), "current_gain": values(5, low=0.5, high=1)}
    return chain(
        input=Input(shape=(2, 8, 8)),
        conv=Conv(weight=values(4, 2, 3, 3), bias=values(4), padding=(1, 1)),
        lif1=neuron(4, 8, 8),
        pool=SumPool(kernel=(2, 2), stride=(2, 2)),
        pool_mean=Scale(factor=np.array(0.25)),
        flatten=Flatten(),
        fc1=Dense(weight=values(5, 64), bias=values(5)),
        lif2=neuron(5, reset=values(5, low=-0.2, high=0.1), **current),
        fc2=Dense(weight=values(3, 5)),
        readout=neuron(3, threshold=None),
        output=Output(),
    )


def test_a_float_network_spikes_as_on_the_float_runner(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    network, frames = float_network(rng), events(rng, 6, 20, (2, 8, 8), rate=0.3)
    write_onnx(network, tmp_path / "student.onnx")
    expected = floating.run(network, frames, states=6)
    found = runner.run(load(tmp_path / "student.onnx"), frames, states=6, digests=True)
    for name in expected.spiking:
        spikes = expected.layers[name].output
        assert 0.02 < spikes.mean() < 0.9
        # The sums of a convolution are rounded in another order: a spike may differ where v lies on the threshold.
        assert (spikes != found.layers[name].output).mean() < 1e-3
    np.testing.assert_allclose(found.layers["readout"]["v"], expected.layers["readout"]["v"], atol=1e-4)
    np.testing.assert_allclose(found.layers["lif2"]["u"], expected.layers["lif2"]["u"], atol=1e-4)


def test_a_file_says_what_it_is_in_names_that_a_viewer_shows(small_network: Network, tmp_path: Path) -> None:
    path = tmp_path / "student.onnx"
    write_onnx(small_network, path)
    model = onnx.load(path)
    operators = {node.name: node.op_type for node in model.graph.node}
    assert operators["conv1"] == "ConvInteger" and operators["classifier"] == "MatMulInteger"
    assert operators["lif1"] == "GridLIF" and operators["readout"] == "GridLI"
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": OPSET, "ckd": 1}
    assert [value.name for value in model.graph.input] == ["frame", "lif1.v", "lif2.v", "readout.v"]
    names = {value.name for value in model.graph.output}
    assert {"output", "lif1.spikes", "lif1.u.next", "lif1.v.next", "readout.v.next"} < names
    read = load(path)
    assert isinstance(read, ModelFile)
    assert (read.input_shape, read.layers) == ((2, 10, 10), ("lif1", "lif2", "readout"))
    assert (read.binning, read.classes, read.on_grid) == (small_network.binning, small_network.classes, True)


def test_every_nir_node_that_lies_on_the_grid_runs_in_onnx_as_in_the_integer_simulator() -> None:
    tried: list[Network] = []

    def column(network: Network, frames: Array) -> None:
        tried.append(network)
        expected, found = (
            integer.run(network, frames, states=4, digests=True),
            runner.run(network, frames, states=4, digests=True),
        )
        assert_same_records(expected, found)

    table = support_table({"in ONNX": column})
    assert table in (Path(__file__).parents[3] / "docs" / "nir.md").read_text(), "docs/nir.md shows another table"
    rows = table.split("\n\n")[0].split("\n")[2:]
    assert len(tried) > 90 and all(row.split("|")[-2].strip() == "yes" for row in rows)
