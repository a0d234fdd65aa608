"""Files as they are found: types with batch and time axes, steps that are not said, states to begin with."""

from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from deploy.errors import ModelError, UnsupportedError
from deploy.formats.nir import read_nir
from deploy.runners import floating
from tests.deploy.formats.nir_graphs import DT, chain, conv2d, ends, full, graph, lif, reread, spikes

RNG = np.random.default_rng(0)
Shape = tuple[int, ...]


def small(inputs: Shape, outputs: Shape) -> nir.NIRGraph:
    nodes = {"fc": nir.Linear(RNG.normal(0, 1, (3, 2)).astype(np.float32)), "lif": lif((3,))}
    return chain(inputs, nodes, outputs)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ((1, 10, 2), (1, 10, 3)),  # rockpool 3.1 with a sample
        ((1, 2), (1, 1, 3)),  # rockpool 3.1 without one
        ((2,), (1, 1, 3)),  # lif_rockpool.nir of the NIR paper
        ((5, 2), (5, 3)),  # norse 1.1 with a batch of 5
    ],
)
def test_batch_and_time_axes_of_input_and_output_are_left_out(tmp_path: Path, inputs: Shape, outputs: Shape) -> None:
    network = reread(small(inputs, outputs), tmp_path)
    assert network.input_shape == (2,)
    assert floating.run(network, spikes(RNG, 2, 40, 2, rate=0.8)).layers["lif"].output.any()


@pytest.mark.parametrize("inputs", [(1, 2, 6, 7), (8, 2, 6, 7), (8, 20, 2, 6, 7)])
def test_they_are_before_images_too(tmp_path: Path, inputs: Shape) -> None:
    nodes = {"conv": conv2d(RNG.normal(0, 1, (3, 2, 3, 3)).astype(np.float32), (6, 7)), "lif": lif((1,))}
    network = reread(chain(inputs, nodes, (*inputs[:-3], 3, 4, 5)), tmp_path)
    assert network.input_shape == (2, 6, 7)
    nodes = {"flat": nir.Flatten({"input": np.array([2, 6, 7])}, 0, -1), "lif": lif((84,))}
    assert reread(chain(inputs, nodes, (*inputs[:-3], 84)), tmp_path).input_shape == (2, 6, 7)


def test_they_are_before_series_too(tmp_path: Path) -> None:
    conv = nir.Conv1d(6, np.ones((3, 2, 3), np.float32), stride=1, padding=1, dilation=1, groups=1, bias=full((3,), 0))
    network = reread(chain((4, 2, 6), {"conv": conv, "lif": lif((3, 6))}, (4, 3, 6)), tmp_path)
    assert network.input_shape == (2, 1, 6)


def test_an_axis_that_a_node_takes_is_none_of_the_batch(tmp_path: Path) -> None:
    """A type that fits as it stands is what it says, even where it begins with a 1."""
    nodes = {"conv": conv2d(np.ones((3, 1, 3, 3), np.float32), (6, 7)), "lif": lif((3, 4, 5))}
    assert reread(chain((1, 6, 7), nodes, (3, 4, 5)), tmp_path).input_shape == (1, 6, 7)


def test_a_type_that_fits_with_no_axes_left_out_is_refused_as_it_stands(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"fc: weight \(3, 2\) takes \(2,\), its input is \(5, 7\)"):
        reread(small((5, 7), (3,)), tmp_path)
    with pytest.raises(ModelError, match=r"output: the file says \(5, 4\), the graph gives \(3,\)"):
        reread(small((2,), (5, 4)), tmp_path)


def test_a_file_of_norse_is_read_with_the_step_that_fits_it(tmp_path: Path) -> None:
    """norse 1.1.0 writes tau as dt x tau: a LIFBox with its defaults, dt 1e-3, has tau = 1e-5, and keeps 0.9."""
    defaults: dict[str, Any] = {
        "tau": full((3,), 1e-5),
        "r": full((3,), 1),
        "v_leak": full((3,), 0),
        "v_threshold": full((3,), 1),
    }
    written = chain((3,), {"lif": nir.LIF(**defaults)}, (3,))
    neuron: Any = reread(written, tmp_path, dt=1e-6).nodes["lif"]
    assert neuron.keep == np.float32(0.9)
    with pytest.raises(ModelError, match=r"norse.*1e-6") as caught:
        reread(written, tmp_path, dt=None)
    assert "1e-3" not in str(caught.value)
    with pytest.raises(UnsupportedError, match=r"tau.*1e-05.*below.*norse.*1e-6"):
        reread(written, tmp_path, dt=1e-3)


def _with_field(written: nir.NIRGraph, folder: Path, name: str, value: Any) -> Path:
    path = folder / "field.nir"
    nir.write(path, written)
    with h5py.File(path, "a") as file:
        node = file["node/nodes/lif"]
        assert isinstance(node, h5py.Group)
        node[name] = value
    return path


@pytest.mark.parametrize("field", ["v0", "v_init", "initial_state", "i0"])
def test_neurons_that_begin_with_something_else_than_zero_are_refused_by_name(tmp_path: Path, field: str) -> None:
    written = chain((3,), {"lif": lif((3,))}, (3,))
    with pytest.raises(UnsupportedError, match=rf"lif \(LIF\): {field}.*0.25.*begin with 0"):
        read_nir(_with_field(written, tmp_path, field, full((3,), 0.25)), dt=DT)
    assert read_nir(_with_field(written, tmp_path, field, full((3,), 0)), dt=DT).neurons


@pytest.mark.parametrize("kind", ["Input", "Output"])
def test_several_inputs_or_outputs_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    more = nir.Input({"input": np.array([3])}) if kind == "Input" else nir.Output({"output": np.array([3])})
    edge = ("more", "lif") if kind == "Input" else ("lif", "more")
    nodes = {**ends((3,), (3,)), "lif": lif((3,)), "more": more}
    with pytest.raises(UnsupportedError, match=rf"2 {kind} nodes \['\w+', '\w+'\] where exactly one"):
        reread(graph(nodes, [("input", "lif"), ("lif", "output"), edge]), tmp_path)
