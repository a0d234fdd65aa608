"""Soft, late and absent resets: snnTorch's own neurons decide what they are; every runner and file gives the same."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch
import torch

import deploy
from deploy.errors import GridError, ModelError, UnsupportedError
from deploy.formats.files import load, save
from deploy.mapping.layout import map_network
from deploy.network import Array, Dense, FloatNeuron, Input, Network, Output
from deploy.passes.to_float import to_float
from deploy.quantization.search import quantize
from deploy.runners import floating, integer
from tests.builders import chain, events, small_frames, small_network

RESETS = list(product(("zero", "subtract", "none"), (False, True)))
KINDS = ("spikes", "u", "v")


def one_layer(mechanism: str, late: bool, *, alpha: float | None) -> Network:
    """Four inputs, five neurons of beta 0.9 and threshold 0.7, as snnTorch has them."""
    one, threshold = np.ones((), np.float32), np.float32(0.7)
    current = {} if alpha is None else {"current_keep": np.asarray(alpha, np.float32)}
    lif = FloatNeuron(
        shape=(5,),
        keep=np.asarray(0.9, np.float32),
        gain=one,
        bias=np.zeros((), np.float32),
        threshold=np.asarray(threshold),
        reset=np.asarray(threshold if mechanism == "subtract" else 0, np.float32),
        reset_mechanism=mechanism,  # pyright: ignore[reportArgumentType]
        reset_delay=late,
        **current,
    )
    weight = np.random.default_rng(0).normal(0.1, 0.2, (5, 4)).astype(np.float32) * (0.4 if alpha else 0.7)
    return chain(input=Input(shape=(4,)), fc=Dense(weight=weight), lif=lif, output=Output())


def snntorch_gave(frames: Array, weight: Array, alpha: float | None, **common: Any) -> tuple[Array, Array]:
    """Spikes and membrane potentials (R, T, 5) of snnTorch's Leaky, or of Synaptic where there is an alpha."""
    currents = torch.from_numpy(frames.astype(np.float32) @ weight.T)
    neuron = snntorch.Leaky(**common) if alpha is None else snntorch.Synaptic(alpha=alpha, **common)
    state = neuron.reset_mem()
    state = state if isinstance(state, tuple) else (state,)
    spikes, mems = [], []
    for x in currents.unbind(1):
        spike, *state = neuron(x, *state)
        spikes.append(spike)
        mems.append(state[-1])
    return torch.stack(spikes, 1).detach().numpy() > 0, torch.stack(mems, 1).detach().numpy()


@pytest.mark.parametrize(("mechanism", "late"), RESETS)
@pytest.mark.parametrize("alpha", [None, 0.6])
def test_a_neuron_is_snntorchs(mechanism: str, late: bool, alpha: float | None) -> None:
    """As its source has it (1.0.0, `_neurons/leaky.py` and `synaptic.py`), with two things of its own.

    Leaky's late reset to zero clears the potential before the input comes: its spikes are those of one at once. And a
    soft reset at once that leaves more than a threshold makes it skip one ("avoid double reset"): here none does.
    """
    cleared_first = mechanism == "zero" and late and alpha is None
    network = one_layer(mechanism, late and not cleared_first, alpha=alpha)
    synapse = network.nodes["fc"]
    assert isinstance(synapse, Dense)
    frames = events(np.random.default_rng(1), 20, 60, (4,), rate=0.4)
    common = {"beta": 0.9, "threshold": 0.7, "reset_mechanism": mechanism, "reset_delay": late}
    wanted, v = snntorch_gave(frames, synapse.weight, alpha, **common)
    found = floating.run(network, frames, states=20).layers["lif"]
    assert 0.05 < wanted.mean() < 0.95
    assert np.array_equal(found.output, wanted)
    assert found.v is not None
    if cleared_first:
        return
    # Sums of a step are added up in another order, in float32 on both sides.
    np.testing.assert_allclose(found.v, v, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("mechanism", "late"), RESETS)
def test_files_keep_the_reset(mechanism: str, late: bool, tmp_path: Path) -> None:
    network, frames = small_network(), small_frames()
    other = {
        name: replace(node, reset_mechanism=mechanism, reset_delay=late)  # pyright: ignore[reportArgumentType]
        for name, node in network.neurons.items()
        if not node.is_readout
    }
    network = network.replace(nodes={**network.nodes, **other})
    for given, ending in product((network, to_float(network)), (".nir", ".onnx")):
        wanted = (integer.run if given.on_grid else floating.run)(given, frames, states=9)
        save(given, tmp_path / f"a{ending}")
        read = load(tmp_path / f"a{ending}")
        found = deploy.run(read, frames, on="onnx" if ending == ".onnx" else wanted.runner, states=9)
        for name, kind in product(("lif1", "lif2"), KINDS):
            there, here = found.layers[name][kind], wanted.layers[name][kind]
            if kind == "spikes" or given.on_grid:
                assert np.array_equal(there, here) and here.any(), f"{kind} of {name}"
            else:
                # onnxruntime adds up float32 in another order.
                np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-4, err_msg=f"{kind} of {name}")


@pytest.mark.parametrize(("mechanism", "late"), RESETS[1:])
def test_the_quantizer_keeps_it_and_a_chip_without_it_refuses(mechanism: str, late: bool) -> None:
    network = one_layer(mechanism, late, alpha=None)
    frames = events(np.random.default_rng(1), 20, 60, (4,), rate=0.4)
    ready = quantize(network, frames)
    neuron = ready.neurons["lif"]
    assert (neuron.reset_mechanism, neuron.reset_delay) == (mechanism, late)
    wanted, found = floating.run(network, frames).layers["lif"].output, integer.run(ready, frames).layers["lif"].output
    # Rounding to the grid moves potentials; a neuron that never resets spikes almost always.
    assert np.mean(wanted != found) < 0.05 and wanted.any()
    with pytest.raises(GridError, match=r"lif: has .* reset.*; loihi1 resets to 0"):
        quantize(network, frames, chip="loihi1")
    (violation,) = [v for v in map_network(ready, "loihi1").violations if "reset" in v.limit]
    assert violation.where == "lif" and map_network(ready, "loihi2").fits


def test_a_soft_reset_by_something_else_than_the_threshold_is_refused_on_the_grid() -> None:
    network = one_layer("subtract", False, alpha=None)
    odd = replace(network.neurons["lif"], reset=np.asarray(0.5, np.float32))  # pyright: ignore
    with pytest.raises(UnsupportedError, match=r"lif: a spike takes off 0.5 and not its threshold"):
        quantize(network.replace(nodes={**network.nodes, "lif": odd}), events(np.random.default_rng(0), 2, 9, (4,)))


def test_what_a_file_leaves_unsaid_the_caller_says(tmp_path: Path) -> None:
    import nir

    network, path = one_layer("subtract", True, alpha=None), tmp_path / "foreign.nir"
    hard = replace(network.neurons["lif"], reset_mechanism="zero", reset_delay=False, reset=np.zeros((), np.float32))  # pyright: ignore
    save(network.replace(nodes={**network.nodes, "lif": hard}), path)
    graph = nir.read(path)
    graph.metadata.clear()
    nir.write(path, graph)
    frames = events(np.random.default_rng(1), 20, 60, (4,), rate=0.4)
    wanted = floating.run(network, frames)
    found = floating.run(load(path, dt=1e-4, reset="subtract", reset_delay=True), frames)  # pyright: ignore
    assert np.array_equal(wanted.layers["lif"].output, found.layers["lif"].output) and wanted.layers["lif"].output.any()
    with pytest.raises(ModelError, match="--reset sometimes: no such reset; use one of zero, subtract, none"):
        load(path, dt=1e-4, reset="sometimes")
    with pytest.raises(ModelError, match="say which with --reset"):
        load(path, dt=1e-4, reset_delay=True)
    save(network, path)
    with pytest.raises(UnsupportedError, match="lif: the file says reset 'subtract' itself; leave out --reset"):
        load(path, reset="zero")
