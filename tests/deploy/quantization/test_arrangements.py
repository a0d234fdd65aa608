"""What may lie between a convolution and its neurons, and which neurons may stand behind one, on the grid."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deploy
from deploy.cli import main
from deploy.errors import UnsupportedError
from deploy.network import Array, Conv, Delay, Dense, Flatten, FloatNeuron, Input, Network, Node, Output, Scale, SumPool
from deploy.passes.preparation import prepare_for_grid
from deploy.runners import floating, integer, onnx
from deploy.runners.lava import fixed as lava
from tests.builders import chain, events
from tests.deploy.runners.plain import reference

RNG = np.random.default_rng(0)
ONE, ZERO = np.ones((), np.float32), np.zeros((), np.float32)
SHAPE = (3, 6, 6)


@pytest.fixture(autouse=True)
def same_numbers_whatever_ran_before() -> None:
    RNG.bit_generator.state = np.random.default_rng(1).bit_generator.state


def values(*shape: int, low: float = -0.4, high: float = 0.6) -> Array:
    return RNG.uniform(low, high, shape).astype(np.float32)


def cells(*shape: int, keep: Array | float = 0.8, **changes: Any) -> FloatNeuron:
    plain = FloatNeuron(shape=shape, keep=np.asarray(keep, np.float32), gain=ONE, bias=ZERO, threshold=ONE)
    return replace(plain, **changes)


def conv(bias: bool = True, outputs: int = 3, inputs: int = 2) -> Conv:
    weight = values(outputs, inputs, 3, 3)
    return Conv(weight=weight, bias=values(outputs, low=-0.1, high=0.2) if bias else None, padding=(1, 1))


def assert_same_spikes_before_rounding(network: Network, frames: Array) -> Network:
    """The form for the grid, in floats: every spike but those within 1e-4 of the threshold, where float32 decides."""
    prepared = prepare_for_grid(network)
    wanted, got = floating.run(network, frames), floating.run(prepared, frames)
    for name in wanted.spiking:
        spikes, others = wanted.layers[name].output, got.layers[name].output
        assert 0.01 < spikes.mean() < 0.9, name
        assert np.mean(spikes != others.reshape(spikes.shape)) < 1e-3, name
    return prepared


def assert_runs_everywhere(network: Network, frames: Array, folder: Path) -> None:
    """On the grid: our kernels, a plain simulation of ours, ONNX and the plan for Lava; close to the floats."""
    quantized = deploy.quantize(network, frames)
    trace, wanted = integer.run(quantized, frames, states=len(frames)), reference(quantized, frames)
    for name in quantized.neurons:
        assert np.array_equal(trace.layers[name]["spikes"], wanted[name]["spikes"]), name
        assert np.array_equal(trace.layers[name]["v"], wanted[name]["v"]), name
        assert np.mean(trace.layers[name].output != floating.run(network, frames).layers[name].output) < 0.03
    assert np.array_equal(onnx.run(quantized, frames).layers["lif"].output, trace.layers["lif"].output)
    lava.prepare(quantized, frames, folder)
    deploy.save(quantized, folder / "n.nir")
    again = deploy.load(folder / "n.nir")
    assert isinstance(again, Network)
    assert np.array_equal(integer.run(again, frames).layers["lif"].output, trace.layers["lif"].output)


BETWEEN: dict[str, dict[str, Node]] = {
    "Flatten": {"conv": conv(), "flat": Flatten(), "lif": cells(108)},
    "Flatten, one leak a neuron": {
        "conv": conv(),
        "flat": Flatten(),
        "lif": cells(108, keep=values(108, low=0.5, high=0.9)),
    },
    "Delay": {"conv": conv(bias=False), "wait": Delay(steps=2), "lif": cells(*SHAPE)},
    "Delay and Flatten": {"conv": conv(bias=False), "wait": Delay(steps=1), "flat": Flatten(), "lif": cells(108)},
    "Flatten and Delay": {"conv": conv(bias=False), "flat": Flatten(), "wait": Delay(steps=1), "lif": cells(108)},
    "Delay behind a dense layer": {
        "flat": Flatten(),
        "fc": Dense(weight=values(9, 72) / 2),
        "wait": Delay(steps=2),
        "lif": cells(9),
    },
    "SumPool": {"conv": conv(), "pool": SumPool(kernel=(2, 2), stride=(2, 2)), "lif": cells(3, 3, 3)},
    "SumPool, overlapping": {"conv": conv(), "pool": SumPool(kernel=(3, 2), stride=(1, 2)), "lif": cells(3, 4, 3)},
    "average": {
        "conv": conv(),
        "pool": SumPool(kernel=(2, 2), stride=(2, 2)),
        "pool_mean": Scale(factor=np.array(0.25, np.float32)),
        "lif": cells(3, 3, 3, threshold=ONE / 2),
    },
    "average and Flatten": {
        "conv": conv(),
        "pool": SumPool(kernel=(2, 2), stride=(2, 2)),
        "pool_mean": Scale(factor=np.array(0.25, np.float32)),
        "flat": Flatten(),
        "lif": cells(27, threshold=ONE / 2),
    },
}


@pytest.mark.parametrize("what", BETWEEN)
def test_what_lies_between_a_synapse_and_its_neurons_reaches_the_grid(tmp_path: Path, what: str) -> None:
    network = chain(in_=Input(shape=(2, 6, 6)), **BETWEEN[what], output=Output())
    frames = events(np.random.default_rng(1), 6, 20, (2, 6, 6))
    assert_same_spikes_before_rounding(network, frames)
    assert_runs_everywhere(network, frames, tmp_path)


def test_flattened_sums_of_two_convolutions_that_feed_two_layers(tmp_path: Path) -> None:
    nodes: dict[str, Node] = {"input": Input(shape=(2, 6, 6)), "a": conv(), "b": conv(), "flat": Flatten()}
    nodes |= {
        "lif": cells(108),
        "other": cells(108, keep=0.5),
        "fc": Dense(weight=values(4, 108) / 4),
        "fd": Dense(weight=values(4, 108) / 4),
    }
    nodes |= {"last": cells(4), "output": Output()}
    edges = [("input", "a"), ("input", "b"), ("a", "flat"), ("b", "flat"), ("flat", "lif"), ("flat", "other")]
    edges += [("lif", "fc"), ("other", "fd"), ("fc", "last"), ("fd", "last"), ("last", "output")]
    network, frames = Network(nodes=nodes, edges=tuple(edges)), events(np.random.default_rng(1), 6, 20, (2, 6, 6))
    assert_same_spikes_before_rounding(network, frames)
    assert_runs_everywhere(network, frames, tmp_path)


def test_a_delayed_bias_is_refused_with_the_way_out() -> None:
    network = chain(in_=Input(shape=(2, 6, 6)), conv=conv(), wait=Delay(steps=2), lif=cells(*SHAPE), output=Output())
    with pytest.raises(UnsupportedError, match=r"conv: its bias passes wait.*before conv"):
        prepare_for_grid(network)


def test_padded_pooling_of_sums_is_refused() -> None:
    """The zeros around a map of sums are none that a convolution gives."""
    pool = SumPool(kernel=(2, 2), stride=(2, 2), padding=(1, 1))
    network = chain(in_=Input(shape=(2, 6, 6)), conv=conv(), pool=pool, lif=cells(3, 4, 4), output=Output())
    with pytest.raises(UnsupportedError, match=r"conv: feeds pool, which is no neuron"):
        prepare_for_grid(network)


PER_NEURON: dict[str, FloatNeuron] = {
    "r": cells(*SHAPE, gain=values(*SHAPE, low=0.5, high=2)),
    "tau": cells(*SHAPE, keep=values(*SHAPE, low=0.5, high=0.9)),
    "r and tau": cells(*SHAPE, gain=values(*SHAPE, low=0.5, high=2), keep=values(*SHAPE, low=0.5, high=0.9)),
    "threshold, reset and v_leak too": cells(
        *SHAPE,
        gain=values(*SHAPE, low=0.5, high=2),
        threshold=values(*SHAPE, low=0.8, high=1.5),
        reset=values(*SHAPE, low=-0.1, high=0.1),
        bias=values(*SHAPE, low=0, high=0.1),
    ),
    "a current": cells(
        *SHAPE,
        gain=values(*SHAPE, low=0.5, high=1),
        current_keep=values(*SHAPE, low=0.3, high=0.6),
        current_gain=values(*SHAPE, low=0.5, high=1),
    ),
    "a soft reset": cells(*SHAPE, gain=values(*SHAPE, low=0.5, high=2), reset=ONE, reset_mechanism="subtract"),
}


@pytest.mark.parametrize("what", PER_NEURON)
def test_neurons_behind_a_convolution_may_each_have_their_own_constants(tmp_path: Path, what: str) -> None:
    network = chain(
        in_=Input(shape=(2, 6, 6)), conv=conv(bias=what != "a current"), lif=PER_NEURON[what], output=Output()
    )
    frames = events(np.random.default_rng(1), 6, 20, (2, 6, 6), rate=0.3)
    assert_same_spikes_before_rounding(network, frames)
    quantized = deploy.quantize(network, frames)
    got, wanted = (
        integer.run(quantized, frames).layers["lif"].output,
        floating.run(network, frames).layers["lif"].output,
    )
    assert 0.01 < wanted.mean() < 0.9
    assert np.mean(got != wanted) < 0.03


def test_a_resistance_a_neuron_that_turns_the_sign_or_belongs_to_a_readout_is_refused() -> None:
    mixed = values(*SHAPE, low=-1, high=1)
    for neuron in (cells(*SHAPE, gain=mixed), cells(*SHAPE, gain=np.abs(mixed), threshold=None)):
        network = chain(in_=Input(shape=(2, 6, 6)), conv=conv(), lif=neuron, output=Output())
        with pytest.raises(UnsupportedError, match=r"lif: its gain differs within a channel"):
            deploy.quantize(network, events(RNG, 1, 5, (2, 6, 6)))


def feeding_readout() -> Network:
    nodes: dict[str, Node] = {
        "fc": Dense(weight=values(4, 5)),
        "li": cells(4, threshold=None),
        "out": Dense(weight=values(3, 4)),
    }
    return chain(in_=Input(shape=(5,)), **nodes, lif=cells(3), output=Output())


def test_a_readout_that_feeds_on_runs_in_floats_and_is_refused_where_only_spikes_travel() -> None:
    network, frames = feeding_readout(), events(RNG, 4, 30, (5,), rate=0.4)
    fc, out = (network.nodes[name].weight for name in ("fc", "out"))  # pyright: ignore
    li, v, wanted = np.zeros((4, 4)), np.zeros((4, 3)), []
    for x in np.moveaxis(frames, 1, 0):
        li = 0.8 * li + x @ fc.T
        v = 0.8 * v + li @ out.T
        wanted.append(v > 1)
        v[v > 1] = 0
    wanted = np.stack(wanted, axis=1)
    assert 0.01 < wanted.mean() < 0.9
    assert np.array_equal(floating.run(network, frames).layers["lif"].output, wanted)
    assert np.array_equal(onnx.run(network, frames).layers["lif"].output, wanted)
    with pytest.raises(UnsupportedError, match=r"li: feeds out.*never spikes.*threshold"):
        deploy.quantize(network, frames)


def test_on_the_grid_every_runner_refuses_it() -> None:
    from tests.builders import cells as on_grid
    from tests.builders import even

    rng = np.random.default_rng(0)
    nodes: dict[str, Node] = {
        "fc": Dense(weight=even(rng, 4, 5)),
        "li": on_grid(4, vth=None),
        "out": Dense(weight=even(rng, 3, 4)),
    }
    network = chain(in_=Input(shape=(5,)), **nodes, lif=on_grid(3), output=Output())
    frames = events(RNG, 1, 5, (5,))
    for run in (integer.run, onnx.run, lava.run):
        with pytest.raises(UnsupportedError, match=r"li.*never spikes"):
            run(network, frames)


def test_a_bias_that_passes_a_current_is_said_to_act_at_once_on_the_grid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In floats the current of a constant input b rises to gain b / (1 - keep); on the grid it is there at once."""
    neuron = cells(3, keep=0.5, threshold=ONE * 100, current_keep=ONE * np.float32(0.75))
    fc = Dense(weight=values(3, 5), bias=np.array([1, 2, 3], np.float32))
    network = chain(
        in_=Input(shape=(5,)), fc=fc, cuba=neuron, out=Dense(weight=values(2, 3)), lif=cells(2), output=Output()
    )
    frames = np.zeros((1, 60, 5), np.uint8)
    floats = floating.run(network, frames, states=1).layers["cuba"]["v"][0]
    quantized = deploy.quantize(network, frames)
    unit = 2.0 ** -(quantized.scale_bits["cuba"] + 6)
    on_grid = integer.run(quantized, frames, states=1).layers["cuba"]["v"][0] * unit
    scale = on_grid[-1] / floats[-1]  # the file's power of two is near the scale, not equal to it
    np.testing.assert_allclose(scale, scale[0], rtol=1e-2)
    np.testing.assert_allclose(on_grid[0] / scale, 4 * floats[0], rtol=1e-2)
    notes = {change.node: change.note for change in quantized.report if change.note}
    assert "now enters the potential; the first steps differ" in notes["cuba"]
    deploy.save(network, tmp_path / "n.nir")
    np.save(tmp_path / "frames.npy", frames)
    given = [str(tmp_path / "n.nir"), "--frames", str(tmp_path / "frames.npy"), "-o", str(tmp_path / "ready.nir")]
    assert main(["compile", *given]) == 0
    assert "cuba: a bias that passed the decaying current now enters the potential" in capsys.readouterr().out
