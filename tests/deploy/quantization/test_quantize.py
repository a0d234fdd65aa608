"""From float to grid: what the scales keep, what the report says, and what is refused by name."""

from dataclasses import replace

import numpy as np
import pytest

import deploy
from deploy import grid
from deploy.errors import GridError, UnsupportedError
from deploy.network import Array, Conv, Dense, Flatten, FloatNeuron, GridNeuron, Input, Network, Output, Scale, SumPool
from deploy.passes.fold_linear import fold_linear
from deploy.quantization.search import METHODS, quantize
from deploy.runners import floating


def neuron(
    shape: tuple[int, ...], *, keep: float = 0.75, threshold: float | None = 1.0, **changes: Array
) -> FloatNeuron:
    limit = None if threshold is None else np.array(threshold, np.float32)
    plain = FloatNeuron(
        shape=shape,
        keep=np.array(keep, np.float32),
        gain=np.ones((), np.float32),
        bias=np.zeros((), np.float32),
        threshold=limit,
    )
    return replace(plain, **changes)


def example(seed: int = 0) -> Network:
    """Convolution, pooling, a residual branch of much smaller weights, a dense readout."""
    rng = np.random.default_rng(seed)

    def weight(scale: float, *shape: int) -> Array:
        return rng.normal(0.1, scale, shape).astype(np.float32)

    nodes = {
        "input": Input(shape=(2, 8, 8)),
        "conv1": Conv(weight=weight(0.4, 4, 2, 3, 3), bias=weight(0.1, 4), padding=(1, 1)),
        "lif1": neuron((4, 8, 8)),
        "conv2": Conv(weight=weight(0.3, 4, 4, 3, 3), padding=(1, 1)),
        "short": Conv(weight=weight(0.02, 4, 4, 1, 1)),
        "lif2": neuron((4, 8, 8), keep=0.5),
        "pool": SumPool(kernel=(2, 2), stride=(2, 2)),
        "mean": Scale(factor=np.array(0.25, np.float32)),
        "flatten": Flatten(),
        "classifier": Dense(weight=weight(0.2, 3, 64), bias=weight(0.2, 3)),
        "readout": neuron((3,), keep=1.0, threshold=None),
        "output": Output(),
    }
    edges = [
        ("input", "conv1"), ("conv1", "lif1"), ("lif1", "conv2"), ("conv2", "lif2"), ("lif1", "short"),
        ("short", "lif2"), ("lif2", "pool"), ("pool", "mean"), ("mean", "flatten"), ("flatten", "classifier"),
        ("classifier", "readout"), ("readout", "output"),
    ]  # fmt: skip
    return Network(nodes=nodes, edges=tuple(edges))


@pytest.fixture(scope="module")
def frames() -> Array:
    return (np.random.default_rng(1).random((24, 8, 2, 8, 8)) < 0.2).astype(np.uint8)


@pytest.mark.parametrize("method", METHODS)
def test_a_quantized_network_behaves_as_the_float_one(method: str, frames: Array) -> None:
    network = example()
    wanted = floating.run(network, frames)
    found = deploy.run(quantize(network, frames, method=method), frames)
    for layer in wanted.spiking:
        spikes = wanted.layers[layer].output
        assert spikes.mean() > 0.05
        assert (spikes != found.layers[layer].output).mean() < 0.03
    assert (wanted.predictions == found.predictions).mean() >= 0.95
    assert sum(found.overflows.values()) == 0


def test_the_best_scale_errs_no_more_than_the_largest(frames: Array) -> None:
    wanted = floating.run(example(), frames)
    errors = {}
    for method in ("max", "spike-error"):
        found = deploy.run(quantize(example(), frames, weight_bits=4, method=method), frames)
        errors[method] = np.mean(
            [
                np.mean(found.layers[layer].output != s)
                for layer, s in ((name, layer.output) for name, layer in wanted.spiking.items())
            ]
        )
    assert 0 < errors["spike-error"] <= errors["max"]


@pytest.mark.parametrize("bits", [8, 6, 4, 3])
def test_every_weight_fits_the_synapse(bits: int, frames: Array) -> None:
    network = quantize(example(), frames, weight_bits=bits)
    for name, node in network.nodes.items():
        if isinstance(node, Dense | Conv):
            assert grid.weights_on_grid(node.weight, bits), name
            assert node.bias is None
    assert all(isinstance(node, GridNeuron) for node in network.neurons.values())


def test_branches_of_one_neuron_share_its_scale_up_to_powers_of_two(frames: Array) -> None:
    network = quantize(example(), frames, method="max")
    main, short = network.nodes["conv2"], network.nodes["short"]
    assert isinstance(main, Conv) and isinstance(short, Conv)
    assert main.weight_exp > short.weight_exp
    floats = fold_linear(example())
    units = []
    for name, node in (("conv2", main), ("short", short)):
        before = floats.nodes[name]
        assert isinstance(before, Conv)
        # Both say how many grid units one float unit is; rounding of single weights averages out.
        units.append(float((node.weight * 2.0**node.weight_exp).std() / before.weight.std()))
    assert units[0] == pytest.approx(units[1], rel=0.02)


def test_the_readout_has_room_for_its_sum(frames: Array) -> None:
    network = quantize(example(), np.concatenate([frames] * 12, axis=1))
    long = np.concatenate([frames] * 12, axis=1)
    trace = deploy.run(network, long)
    assert trace.overflows["readout"] == 0
    assert np.abs(trace.layers["readout"]["v"]).max() > grid.V_MAX / 64


def test_the_report_names_every_parameter_and_its_change(frames: Array) -> None:
    report = {(change.node, change.parameter): change for change in quantize(example(), frames, weight_bits=4).report}
    assert {("conv1", "weight"), ("lif1", "threshold"), ("lif1", "bias"), ("lif2", "keep")} <= set(report)
    change = report["conv1", "weight"]
    assert change.largest_change == pytest.approx(abs(change.after - change.before)) and change.relative_change > 0
    assert report["lif1", "keep"].largest_change == 0


def test_decays_round_to_the_nearest_of_4096(frames: Array) -> None:
    network = example()
    nodes = {**network.nodes, "lif1": neuron((4, 8, 8), keep=0.7)}
    lif = quantize(network.replace(nodes=nodes), frames, method="max").nodes["lif1"]
    assert isinstance(lif, GridNeuron) and lif.dv == round(0.3 * 4096)


def _with(node: FloatNeuron) -> Network:
    network = example()
    return network.replace(nodes={**network.nodes, "lif1": node})


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (_with(neuron((4, 8, 8), keep=-0.5)), "lif1: keeps"),
        (_with(neuron((4, 8, 8), gain=np.arange(64, dtype=np.float32).reshape(1, 8, 8))), "lif1: its gain differs"),
        (_with(neuron((4, 8, 8), threshold=-1.0)), "lif1: threshold"),
    ],
)
def test_what_the_grid_cannot_hold_is_refused_by_name(network: Network, message: str, frames: Array) -> None:
    with pytest.raises((GridError, UnsupportedError), match=message):
        quantize(network, frames)


def test_a_layer_of_zeros_is_refused(frames: Array) -> None:
    network = example()
    dead = Conv(weight=np.zeros((4, 2, 3, 3), np.float32), padding=(1, 1))
    with pytest.raises(GridError, match="lif1: every weight"):
        quantize(network.replace(nodes={**network.nodes, "conv1": dead}), frames)


def test_counts_need_a_chip_with_graded_spikes(frames: Array) -> None:
    with pytest.raises(GridError, match="loihi1 takes spikes of 0 or 1"):
        quantize(example(), frames * 3, chip="loihi1")
    assert quantize(example(), frames * 3, chip="loihi2").chip == "loihi2"


def test_a_reset_elsewhere_moves_into_bias_and_threshold(frames: Array) -> None:
    node = neuron((4, 8, 8), reset=np.array(-0.2, np.float32))
    network = quantize(_with(node), frames)
    notes = [change.note for change in network.report if change.node == "lif1"]
    assert any("reset potential" in note for note in notes)
    wanted, found = floating.run(_with(node), frames), deploy.run(network, frames)
    # The float neuron starts at 0, the moved one at its reset: late steps agree.
    late = (wanted.layers["lif1"].output != found.layers["lif1"].output)[:, 5:]
    assert late.mean() < 0.05
