"""What ONNX cannot say is refused by name, with the way out, and no file is left behind."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deploy
from deploy.errors import DeployError, FramesError, GridError, ModelError, RunnerError, UnsupportedError
from deploy.formats.files import load
from deploy.network import Array, Conv, Dense, FloatNeuron, GridNeuron, Input, Network, Output, Scale, SumPool
from tests.builders import cells, chain, small

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

from deploy.formats.onnx import to_onnx, write_onnx  # noqa: E402
from deploy.runners import onnx as runner  # noqa: E402


def test_a_refused_network_leaves_no_file(small_network: Network, tmp_path: Path) -> None:
    network = small_network.replace(
        nodes={**small_network.nodes, "lif1": replace(_grid(small_network, "lif1"), vth=None)}
    )
    with pytest.raises(UnsupportedError, match=r"lif1 -> conv2: lif1 is a readout"):
        write_onnx(network, tmp_path / "student.onnx")
    assert not list(tmp_path.iterdir())


def _grid(network: Network, name: str) -> GridNeuron:
    node = network.nodes[name]
    assert isinstance(node, GridNeuron)
    return node


def _wide() -> Network:
    return small(fc=Dense(weight=np.full((2, 3), 40000)))


def _pooled() -> Network:
    pool = SumPool(kernel=(2, 2), stride=(2, 2))
    conv = Conv(weight=np.full((2, 2, 1, 1), 2))
    return chain(input=Input(shape=(2, 4, 4)), pool=pool, conv=conv, lif=cells(2, 2, 2), output=Output())


def _mixed() -> Network:
    one = np.ones(())
    float_neuron = FloatNeuron(shape=(2,), keep=one, gain=one, bias=one, threshold=one)
    fc = Dense(weight=np.full((2, 2), 2))
    return chain(
        input=Input(shape=(3,)), fc0=Dense(weight=np.ones((2, 3))), f=float_neuron, fc=fc, lif=cells(2), output=Output()
    )


def _scaled() -> Network:
    return chain(
        input=Input(shape=(3,)), s=Scale(factor=np.ones(())), fc=Dense(weight=np.full((2, 3), 2)), lif=cells(2),
        output=Output(),
    )  # fmt: skip


def _chained() -> Network:
    fc = Dense(weight=np.full((3, 3), 2))
    return chain(input=Input(shape=(3,)), fc1=fc, fc2=fc, lif=cells(3), output=Output())


def _huge() -> Network:
    weight = np.full((1, 40000), 2, np.int16)
    return chain(input=Input(shape=(40000,)), fc=Dense(weight=weight), lif=cells(1), output=Output())


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (_wide, GridError, "fc: weights reach from 40000 to 40000"),
        (_pooled, GridError, "pool: counts can reach 1020 here"),
        (_mixed, UnsupportedError, r"neurons \['f'\] are not on the grid"),
        (_scaled, UnsupportedError, "s: a factor has no place on the grid"),
        (_chained, UnsupportedError, "fc1 -> fc2: on the grid weighted sums go to neurons"),
        (_huge, GridError, "fc: its sums can reach 2601000000"),
    ],
)
def test_what_the_graph_cannot_say_is_refused_by_name(make: Any, error: type[DeployError], said: str) -> None:
    with pytest.raises(error, match=said):
        to_onnx(make())


def test_counts_beyond_the_binning_are_refused(small_network: Network, small_frames: Array) -> None:
    with pytest.raises(FramesError, match="counts up to 3, the model's binning says at most 1"):
        runner.run(small_network, small_frames * 3)


def test_a_file_of_another_tool_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    helper = onnx.helper
    value = [helper.make_tensor_value_info(name, 1, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    with pytest.raises(ModelError, match=r"other\.onnx: not a student that ckd-export wrote"):
        load(path)
    path.write_bytes(b"no model at all")
    with pytest.raises(ModelError, match=r"other\.onnx: not a valid ONNX file"):
        load(path)
    with pytest.raises(ModelError, match=r"nowhere\.onnx: no such model file; ckd-export --to onnx"):
        load(tmp_path / "nowhere.onnx")
    with pytest.raises(ModelError, match="says its own step"):
        load(path, step_us=1000)


def test_an_onnx_file_runs_on_onnxruntime_alone(small_network: Network, small_frames: Array, tmp_path: Path) -> None:
    write_onnx(small_network, tmp_path / "student.onnx")
    model = load(tmp_path / "student.onnx")
    with pytest.raises(RunnerError, match=r"runs --on onnx alone, not on integer; give integer a \.nir file"):
        deploy.run(model, small_frames, on="integer")


def test_the_missing_extra_is_named(small_network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(RunnerError, match=r"onnx is missing; ONNX models need it: pip install 'ckd-snn\[onnx\]'"):
        to_onnx(small_network)


@pytest.mark.parametrize(("largest", "kernel"), [(1, 2), (1, 15), (63, 2)])
def test_pooled_counts_run_where_the_frames_keep_them_small(largest: int, kernel: int) -> None:
    """The frames bound them, as they do for the integer simulator; a file must hold for all frames."""
    rng = np.random.default_rng(0)
    size = 2 * kernel
    pool, conv = SumPool(kernel=(kernel, kernel), stride=(kernel, kernel)), Conv(weight=np.full((2, 2, 1, 1), 30))
    nodes = {"pool": pool, "conv": conv, "lif": cells(2, 2, 2, vth=40)}
    network = chain(input=Input(shape=(2, size, size)), **nodes, output=Output())
    frames = (rng.integers(0, largest + 1, (3, 12, 2, size, size)) * (rng.random((3, 12, 2, 2, 2)) < 0.3).repeat(
        kernel, axis=3
    ).repeat(kernel, axis=4)).astype(np.uint8)  # fmt: skip
    wanted = deploy.run(network, frames).layers["lif"].output
    assert 0.01 < wanted.mean() < 0.99
    assert np.array_equal(runner.run(network, frames).layers["lif"].output, wanted)
    with pytest.raises(GridError, match="pool: counts can reach"):
        runner.run(network, frames * 0 + 255)
