"""Other tools read our files and spike as we do. Each test says what is missing where the tool is not installed."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch

from deploy.formats.nir import read_nir, write_nir
from deploy.network import Array, Conv, Dense, Flatten, FloatNeuron, Input, Network, Node, Output, Scale, SumPool
from deploy.passes.unit_resistance import unit_resistance
from deploy.runners import floating
from tests.deploy.formats.nir_graphs import DT

ONE, ZERO = np.ones((), np.float32), np.zeros((), np.float32)
STEPS = 150
pytestmark = [pytest.mark.filterwarnings("ignore")]


def lif(shape: tuple[int, ...], beta: float) -> FloatNeuron:
    return FloatNeuron(shape=shape, keep=np.array(beta, np.float32), gain=ONE, bias=ZERO, threshold=ONE)


def student(*, pooling: bool) -> Network:
    """Convolutions with biases, average pooling or a stride, three leaks; ends in spikes."""
    rng = np.random.default_rng(0)

    def array(*shape: int, spread: float) -> Array:
        return rng.normal(0, spread, shape).astype(np.float32)

    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 12, 12)),
        "conv1": Conv(weight=array(6, 2, 3, 3, spread=0.5), bias=array(6, spread=0.05), padding=(1, 1)),
        "lif1": lif((6, 12, 12), 0.8),
    }
    if pooling:
        nodes["pool"] = SumPool(kernel=(2, 2), stride=(2, 2))
        nodes["pool_mean"] = Scale(factor=np.array(0.25, np.float32))
        nodes["conv2"] = Conv(weight=array(8, 6, 3, 3, spread=0.6), bias=array(8, spread=0.05), padding=(1, 1))
    else:
        weight, bias = array(8, 6, 4, 4, spread=0.3), array(8, spread=0.05)
        nodes["conv2"] = Conv(weight=weight, bias=bias, padding=(1, 1), stride=(2, 2))
    nodes |= {
        "lif2": lif((8, 6, 6), 0.5),
        "flatten": Flatten(),
        "fc": Dense(weight=array(10, 288, spread=0.2), bias=array(10, spread=0.05)),
        "lif3": lif((10,), 0.9),
        "output": Output(),
    }
    return Network(nodes=nodes, edges=tuple(pairwise(nodes)))


def frames(network: Network) -> Array:
    return (np.random.default_rng(1).random((1, STEPS, *network.input_shape)) < 0.2).astype(np.uint8)


def simulate(model: Any, inputs: Array) -> Array:
    """Spikes (T, n) of a module that takes a frame and a state, and gives its output and the next state."""
    state, rows = None, []
    with torch.no_grad():
        for frame in torch.from_numpy(inputs).float().unbind(1):
            out, state = model(frame, state)
            rows.append((out[0] if isinstance(out, tuple) else out).numpy().reshape(-1) > 0)
    return np.stack(rows)


def spikingjelly(path: Path) -> Any:
    pytest.importorskip("spikingjelly", reason="spikingjelly is not installed: pip install 'ckd-snn[interop]'")
    pytest.importorskip("loguru", reason="spikingjelly's NIR reader needs loguru")
    from spikingjelly.activation_based.nir_exchange import import_from_nir  # pyright: ignore

    return import_from_nir(path, dt=DT)


def norse(path: Path) -> Any:
    module = pytest.importorskip("norse.torch", reason="norse is not installed: pip install 'ckd-snn[interop]'")
    return module.from_nir(nir.read(path), dt=DT, ignore_warnings=True)


def snntorch(path: Path) -> Any:
    pytest.importorskip("nirtorch", reason="snnTorch's NIR reader needs nirtorch: pip install 'ckd-snn[interop]'")
    from snntorch.import_nir import import_from_nir

    return import_from_nir(nir.read(path))


READERS: dict[str, Callable[[Path], Any]] = {"spikingjelly": spikingjelly, "norse": norse, "snntorch": snntorch}


@pytest.mark.parametrize(
    ("reader", "pooling", "unit"),
    [
        ("spikingjelly", False, False),
        ("spikingjelly", True, False),
        ("snntorch", False, False),
        ("snntorch", True, False),
        # norse knows neither AvgPool2d nor r; with r moved into the weights it agrees.
        ("norse", False, True),
    ],
)
def test_another_tool_reading_our_float_file_gives_every_spike(
    tmp_path: Path, reader: str, pooling: bool, unit: bool
) -> None:
    network = student(pooling=pooling)
    inputs = frames(network)
    expected = floating.run(network, inputs)
    for name, layer in expected.spiking.items():
        assert layer.output.mean() > 0.01, f"{name} hardly spikes"
    write_nir(unit_resistance(network) if unit else network, tmp_path / "n.nir")
    got = simulate(READERS[reader](tmp_path / "n.nir"), inputs)
    assert np.array_equal(got, expected.layers["lif3"].output[0])


def test_norse_ignores_the_resistance_and_goes_silent(tmp_path: Path) -> None:
    """Why `unit_resistance` exists; if this fails, norse has learnt to read r and the docs may say so."""
    network = student(pooling=False)
    inputs = frames(network)
    write_nir(network, tmp_path / "n.nir")
    assert not np.array_equal(
        simulate(norse(tmp_path / "n.nir"), inputs), floating.run(network, inputs).layers["lif3"].output[0]
    )


def test_moving_the_resistance_changes_no_spike(tmp_path: Path) -> None:
    network = student(pooling=True)
    inputs = frames(network)
    moved = unit_resistance(network)
    write_nir(moved, tmp_path / "n.nir")
    assert np.allclose(nir.read(tmp_path / "n.nir").nodes["lif1"].r, 1)  # pyright: ignore
    wanted, got = floating.run(network, inputs), floating.run(read_nir(tmp_path / "n.nir"), inputs)
    for name in wanted.spiking:
        spikes = wanted.layers[name].output
        assert np.array_equal(got.layers[name].output, spikes)


def test_the_braille_network_that_norse_ships_is_read_and_runs() -> None:
    """The recurrent CubaLIF network of the NIR paper, written by another tool: nested graphs, per-neuron parameters."""
    package = pytest.importorskip("norse", reason="norse is not installed: pip install 'ckd-snn[interop]'")
    path = Path(package.__file__).parent / "torch/utils/test/braille.nir"
    if not path.is_file():
        pytest.skip("this norse does not ship braille.nir")
    network = read_nir(path, dt=DT)
    assert network.recurrent_edges == {("lif1.w_rec", "lif1.lif")}
    inputs = (np.random.default_rng(2).random((10, 256, 12)) < 0.3).astype(np.uint8)
    trace = floating.run(network, inputs)
    assert trace.layers["lif1.lif"].output.mean() > 0.005
    assert trace.layers["lif2"].output.mean() > 0.005
