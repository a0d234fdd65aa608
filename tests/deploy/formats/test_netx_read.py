"""What netx files say, layer by layer, against plain recurrences that share nothing with the reader."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deploy
from deploy.errors import DeployError, GridError, ModelError, UnsupportedError
from deploy.network import Array, Conv, Dense, GridNeuron, Network
from deploy.runners import integer
from deploy.traces.trace import Trace
from tests.builders import even, events
from tests.deploy.formats.netx_files import Layer, conv, dense, layer, neuron, write_layers
from tests.deploy.marks import needs_lava
from tests.deploy.oracles import correlate

RNG_SEED = 11
ROOT = Path(__file__).parents[3]


def network_of(path: Path, *layers: Layer) -> Network:
    network = deploy.load(write_layers(path / "a.net", *layers))
    assert isinstance(network, Network)
    return network


def lif(a: Array, *, dv: int, vth: int, bias: Any = 0, du: int = 4095) -> tuple[Array, Array]:
    """Spikes and v of sums a (T, ...), one step after the other, as lava-nc's LIF computes them."""
    u = v = np.zeros(a.shape[1:], np.int64)
    spikes, states = [], []
    for now in a:
        u = np.sign(u) * (np.abs(u * (4095 - du)) >> 12) + (now << 6)
        v = np.sign(v) * (np.abs(v * (4096 - dv)) >> 12) + u + bias
        spiked = v > vth << 6
        v = np.where(spiked, 0, v)
        spikes.append(spiked)
        states.append(v)
    return np.array(spikes), np.array(states)


def spikes(trace: Trace, name: str) -> Array:
    """Of the first recording, after a look that the layer is neither silent nor saturated."""
    found = trace.layers[name].spikes
    assert found is not None and 0.01 < found.mean() < 0.95, (name, found is not None and found.mean())
    return found[0]


def test_a_picture_is_the_bias_of_the_input_layer_whatever_its_current_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(RNG_SEED)
    weight = even(rng, 5, 12)
    front = layer("input", (12,), weight=[76.0], bias=[64.0], **neuron(iDecay=1000, vDecay=300, vThMant=80))
    network = network_of(tmp_path, front, dense(weight))
    mantissas = rng.integers(0, 140, 12).astype(np.uint8)
    trace = integer.run(network, np.repeat(mantissas[None, None], 30, axis=1))
    v, expected = np.zeros(12, np.int64), []
    for _ in range(30):
        v = (v * (4096 - 300) >> 12) + (mantissas.astype(np.int64) << 6)
        expected.append(v > 80 << 6)
        v = np.where(expected[-1], 0, v)
    np.testing.assert_array_equal(spikes(trace, "layer0"), expected)
    np.testing.assert_array_equal(spikes(trace, "layer1"), lif(np.array(expected) @ weight.T, dv=400, vth=100)[0])


def test_axes_strides_padding_and_biases_are_those_of_pytorch(tmp_path: Path) -> None:
    """Kernel and strides differ between the axes, so that a swap of them shows; kernels have a last axis of 1."""
    rng = np.random.default_rng(RNG_SEED)
    weight, places = even(rng, 4, 3, 3, 2), rng.integers(-4, 30, (6, 3, 3))
    first = conv(
        weight[..., None], (4, 3, 6), stride=(2, 1), padding=(1, 0), bias=rng.integers(-5, 20, 4), **neuron(vThMant=150)
    )
    second = conv(even(rng, 3, 4, 1, 1), (3, 3, 6), bias=places)
    network = network_of(tmp_path, layer("input", (3, 5, 7)), first, second)
    frames = events(rng, 1, 25, (3, 5, 7), 0.3)
    trace = integer.run(network, frames)
    sums = correlate(frames[0].astype(np.int64), weight, stride=(2, 1), sides=((1, 1), (0, 0)))
    bias = np.asarray(first["bias"])[:, None, None] << 6
    expected, _ = lif(sums, dv=400, vth=150, bias=bias)
    np.testing.assert_array_equal(spikes(trace, "layer1"), expected)
    sums = correlate(expected.astype(np.int64), np.asarray(second["weight"]))
    bias = places.transpose(2, 1, 0) << 6  # (x, y, channel) in the file
    np.testing.assert_array_equal(spikes(trace, "layer2"), lif(sums, dv=400, vth=100, bias=bias)[0])


def test_pooling_is_one_kernel_for_every_channel_with_neurons_behind_it(tmp_path: Path) -> None:
    """lava-dl's Pool lays the rows of all channels end to end and convolves: here with PyTorch, as it does."""
    import torch

    rng = np.random.default_rng(RNG_SEED)
    pool = layer("pool", (3, 2, 4), weight=np.full((1, 1, 2, 3, 1), 40), stride=(2, 3), padding=(0, 0), **neuron())
    network = network_of(tmp_path, layer("input", (3, 4, 12)), pool | {"dilation": (1, 1)})
    frames = events(rng, 1, 25, (3, 4, 12), 0.3)
    x = torch.tensor(np.moveaxis(frames, 1, -1), dtype=torch.float32)  # (N, C, H, W, T)
    rows = torch.nn.functional.conv3d(x.reshape(1, 1, 12, 12, 25), torch.full((1, 1, 2, 3, 1), 40.0), stride=(2, 3, 1))
    sums = np.moveaxis(rows.reshape(3, 2, 4, 25).numpy(), -1, 0).astype(np.int64)
    expected, _ = lif(sums, dv=400, vth=100)
    np.testing.assert_array_equal(spikes(integer.run(network, frames), "layer1"), expected)


def test_delays_are_those_of_what_reaches_each_neuron(tmp_path: Path) -> None:
    rng = np.random.default_rng(RNG_SEED)
    frames = events(rng, 1, 40, (6,), 0.3)
    weight = even(rng, 4, 6)
    late = {
        "by neuron": np.array([0.0, 3.0, 3.0, 7.0]),
        "by input": np.array([0, 1, 2, 3, 4, 62]),
        "of each": rng.integers(0, 9, (4, 6)),
        "of all": np.array(5),
    }
    for kind, delay in late.items():
        network = network_of(tmp_path, layer("input", (6,)), dense(weight, delay=delay, bias=np.array([4, 5, 6, 7])))
        steps = np.broadcast_to(delay[:, None] if kind == "by neuron" else delay, (4, 6)).astype(int)
        sums = np.zeros((40, 4), np.int64)
        for (i, j), d in np.ndenumerate(steps):
            sums[d:, i] += weight[i, j] * frames[0, : max(0, 40 - d), j].astype(np.int64)
        expected, _ = lif(sums, dv=400, vth=100, bias=np.array([4, 5, 6, 7]) << 6)
        np.testing.assert_array_equal(spikes(integer.run(network, frames), "layer1"), expected, err_msg=kind)


def test_a_mean_at_the_end_is_a_readout_of_all_spikes_of_a_group(tmp_path: Path) -> None:
    rng = np.random.default_rng(RNG_SEED)
    network = network_of(tmp_path, layer("input", (1, 1, 6)), layer("flatten", (6, 1, 1)),
                         dense(even(rng, 12, 6)), layer("average", (3, 1, 1)))  # fmt: skip
    trace = integer.run(network, events(rng, 4, 30, (1, 1, 6), 0.4))
    given = trace.layers["layer2"].spikes
    assert given is not None and given.any()
    counts = given.reshape(4, 30, 3, 4).sum(axis=3).cumsum(axis=1)
    np.testing.assert_array_equal(trace.layers["layer3"]["v"], counts << 6)
    np.testing.assert_array_equal(trace.predictions, counts[:, -1].argmax(axis=1))


@pytest.mark.parametrize(
    "silent", [{"neuron__vThMant": 131071, "neuron__vDecay": 0}, {"neuron__vThMant": (1 << 18) - 1}, "none"]
)
def test_a_last_layer_that_cannot_spike_is_a_readout(silent: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(RNG_SEED)
    weight = even(rng, 3, 6)
    last = dense(weight, **({} if silent == "none" else {k.replace("__", "/"): v for k, v in silent.items()}))
    if silent == "none":  # netx takes an integrator then
        last = {key: value for key, value in last.items() if not key.startswith("neuron")}
    network = network_of(tmp_path, layer("input", (6,)), last)
    frames = events(rng, 1, 30, (6,), 0.4)
    dv = 0 if silent == "none" else silent.get("neuron__vDecay", 400)
    trace = integer.run(network, frames)
    assert trace.layers["layer1"].is_readout
    expected = lif(frames[0].astype(np.int64) @ weight.T, dv=dv, vth=1 << 17)[1]
    np.testing.assert_array_equal(trace.layers["layer1"]["v"][0], expected)


def test_feedback_brings_the_spikes_of_the_step_before(tmp_path: Path) -> None:
    rng = np.random.default_rng(RNG_SEED)
    weight, back = even(rng, 5, 6), even(rng, 5, 5)
    network = network_of(tmp_path, layer("input", (6,)), dense(weight) | {"type": "dense_rec", "weight_rec": back})
    frames = events(rng, 1, 40, (6,), 0.3)
    v, given, expected = np.zeros(5, np.int64), np.zeros(5, np.int64), []
    for x in frames[0].astype(np.int64):
        v = np.sign(v) * (np.abs(v * (4096 - 400)) >> 12) + ((weight @ x + back @ given) << 6)
        given = (v > 100 << 6).astype(np.int64)
        v = np.where(given, 0, v)
        expected.append(given > 0)
    np.testing.assert_array_equal(spikes(integer.run(network, frames), "layer1"), expected)


def test_weights_lie_on_the_grid_with_the_exponent_that_makes_them_what_the_file_says(tmp_path: Path) -> None:
    def held(weight: Any, **changes: Any) -> tuple[Array, int]:
        node = network_of(tmp_path, layer("input", (2,)), dense(weight, **changes)).nodes["layer1_synapse"]
        assert isinstance(node, Dense)
        return node.weight, node.weight_exp

    assert held([[2, -4]])[1] == 0
    weight, exponent = held([[3, -5]])  # odd, of both signs: netx shifts them up, and the sum down again
    assert (weight.tolist(), exponent) == ([[6, -10]], -1)
    assert held([[2, -4]], **neuron(wgtExp=2))[1] == 2
    weight, exponent = held([[4, -8]], **neuron(wgtExp=-2))
    assert (weight * 2.0**exponent).tolist() == [[1, -2]]


def test_a_first_dense_layer_says_its_input_by_its_weights(tmp_path: Path) -> None:
    rng = np.random.default_rng(RNG_SEED)
    weight = even(rng, 4, 6)
    network = network_of(tmp_path, dense(weight))
    frames = events(rng, 1, 30, (6,), 0.3)
    expected, _ = lif(frames[0].astype(np.int64) @ weight.T, dv=400, vth=100)
    np.testing.assert_array_equal(spikes(integer.run(network, frames), "layer0"), expected)


def test_pilotnets_kernels_with_a_last_axis_are_read(tmp_path: Path) -> None:
    network = network_of(tmp_path, layer("input", (1, 3, 3)), conv(np.full((2, 1, 3, 3, 1), 4), (2, 1, 1)))
    node, cells = network.nodes["layer1_synapse"], network.nodes["layer1"]
    assert isinstance(node, Conv) and node.weight.shape == (2, 1, 3, 3)
    assert isinstance(cells, GridNeuron) and cells.shape == (2, 1, 1)


INPUT = layer("input", (2,))
TWO = [[2, -4], [4, 6]]
PICTURE = layer("input", (1, 4, 4))
POOL = layer("pool", (1, 2, 2), weight=np.full((1, 1, 2, 2), 64), stride=(2, 2), padding=(0, 0), dilation=(1, 1))
POOL |= neuron()


@pytest.mark.parametrize(
    ("layers", "error", "said"),
    [
        ([INPUT, dense(TWO, **neuron(type=b"ALIF"))], UnsupportedError, r"layer1: has ALIF \(adaptive\) neurons"),
        ([INPUT, dense(TWO, **neuron(type=b"SDNN"))], UnsupportedError, r"layer1: has SDNN \(sigma-delta\) neurons"),
        ([INPUT, dense(TWO, **neuron(type=b"RF_PHASE"))], UnsupportedError, "has RF_PHASE .resonate and fire"),
        ([INPUT, dense(TWO, **neuron(gradedSpike=True))], UnsupportedError, "layer1: sends graded spikes"),
        ([INPUT, dense(TWO, **neuron(messageBits=8))], UnsupportedError, "layer1: sends graded spikes"),
        ([INPUT, dense(TWO, **neuron(refDelay=3))], UnsupportedError, "layer1: has a refractory time"),
        ([INPUT, dense(TWO, **neuron(weight_exp=1.0))], UnsupportedError, "layer1: has the weight exponent of a batch"),
        ([INPUT, dense(TWO, **neuron(thDecay=9))], UnsupportedError, "layer1: neuron/thDecay is not known"),
        ([INPUT, dense(TWO, resetInterval=17)], UnsupportedError, "layer1: resetInterval is not known.*may change the"),
        ([INPUT, dense(TWO, **neuron(iDecay=0))], UnsupportedError, r"layer1: its current never decays \(iDecay 0\)"),
        ([INPUT, dense(TWO, **neuron(iDecay=5000))], ModelError, "layer1: neuron/iDecay is 5000; allowed is 0 to 4096"),
        ([INPUT, dense(TWO, **neuron(vThMant=-1))], ModelError, "layer1: neuron/vThMant is -1; allowed is 0 to 262143"),
        ([INPUT, dense(TWO, **neuron(vThMant=None))], ModelError, "layer1: has no 'neuron/vThMant'"),
        ([INPUT, dense(TWO, **neuron(vDecay=[4, 5]))], UnsupportedError, "layer1: neuron/vDecay has 2 values"),
        ([INPUT, dense(TWO, **neuron(wgtExp=-1)), dense(TWO)], None, ""),
        ([INPUT, dense([[3, 5]], **neuron(wgtExp=-1))], UnsupportedError, "wgtExp -1 and weights that are no"),
        ([INPUT, dense([[255, -3]])], GridError, "layer1: weights from -3 to 255 are not all on the grid"),
        ([INPUT, dense([[2.5, 1]])], ModelError, "layer1: weight holds 2.5; netx holds whole numbers"),
        ([INPUT, dense([[np.nan, 1]])], ModelError, "layer1: weight holds float32"),
        ([INPUT, dense(TWO, bias=[5000])], ModelError, "layer1: has a bias of 5000; the chip holds 13 bits"),
        ([INPUT, dense(TWO, bias=[1, 2, 3])], ModelError, r"layer1: a bias of shape \(3,\) for neurons \(2,\)"),
        ([INPUT, dense(TWO, delay=63)], UnsupportedError, "layer1: a delay of 63 steps, which netx would change"),
        ([INPUT, dense(TWO, delay=-1)], UnsupportedError, "layer1: a delay of -1 steps"),
        ([INPUT, dense(TWO, delay=[1, 2, 3])], ModelError, r"layer1: delays of shape \(3,\)"),
        ([INPUT, dense(TWO, delay=1, weight_rec=TWO) | {"type": "dense_rec"}], UnsupportedError, "recurrent layer"),
        ([INPUT, dense([[2, 4, 6]])], ModelError, r"weight \(1, 3\) takes \(3,\), its input is \(2,\)"),
        ([INPUT, dense(TWO, 3)], ModelError, r"layer1: weight of shape \(2, 2\) for 3 neurons"),
        ([PICTURE, dense(TWO)], ModelError, "put a Flatten before it|takes"),
        ([PICTURE, conv(np.full((1, 1, 2, 2), 4), (1, 4, 4))], ModelError, r"neurons of shape \(1, 4, 4\), its"),
        ([PICTURE, conv(np.full((1, 1, 2, 2), 4), (1, 3, 3), delay=[2])], UnsupportedError, "convolution with delays"),
        ([PICTURE, POOL | {"stride": (1, 1)}], UnsupportedError, "layer1: pooling whose windows are not side by side"),
        ([layer("input", (1, 5, 4)), POOL], UnsupportedError, r"windows of \(2, 2\) do not share out \(5, 4\) evenly"),
        ([INPUT, layer("unpool", (2,))], UnsupportedError, "layer1: is of type 'unpool'; supported are 'input'"),
        ([INPUT, layer("average", (2,)), dense(TWO)], UnsupportedError, "layer1: a mean .average. before other layers"),
        ([INPUT, layer("average", (3,))], ModelError, r"layer1: 3 means over neurons \(2,\)"),
        ([INPUT, INPUT, dense(TWO)], ModelError, "layer1: is of type 'input'; a file has one"),
        ([INPUT], ModelError, "has no layer of neurons"),
        ([layer("input", (2, 2)), dense(TWO)], ModelError, r"layer0: shape is \[2, 2\]"),
    ],
)  # fmt: skip
def test_what_the_grid_does_not_have_is_refused_by_name(
    layers: list[Layer], error: type[DeployError] | None, said: str, tmp_path: Path
) -> None:
    path = write_layers(tmp_path / "a.net", *layers)
    if error is None:
        assert deploy.load(path)
        return
    with pytest.raises(error, match=said) as found:
        deploy.load(path)
    assert "\n" not in str(found.value) and str(path) in str(found.value)


def test_the_kind_of_neuron_is_told_before_any_weight_is_read(tmp_path: Path) -> None:
    path = write_layers(tmp_path / "a.net", INPUT, dense([[0.5, 0.5]]), dense(TWO, **neuron(type=b"SDNN")))
    with pytest.raises(UnsupportedError, match="layer2: has SDNN"):
        deploy.load(path)


def test_another_reset_than_the_hard_one_is_refused(tmp_path: Path) -> None:
    path = write_layers(tmp_path / "a.net", INPUT, dense(TWO))
    with pytest.raises(UnsupportedError, match="netx has the hard reset at once"):
        deploy.load(path, reset="subtract")


PICTURE_2 = layer("input", (2, 4, 5), **neuron())


@needs_lava
@pytest.mark.parametrize("on", ["netx", "lava"])
@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([dense(np.arange(-12, 12).reshape(4, 6) * 3)], (6,)),
        ([layer("input", (6,)), dense(np.arange(24).reshape(4, 6), **neuron(iDecay=700), delay=[0, 1, 2, 9])], (6,)),
        (
            [layer("input", (6,)), dense(np.arange(-10, 14).reshape(4, 6) * 6) | {"type": "dense_rec",
             "weight_rec": np.arange(-8, 8).reshape(4, 4) * 2}, dense(np.full((2, 4), 40)), layer("average", (1,))],
            (6,),
        ),
        (
            [PICTURE_2, conv(np.arange(-6, 6).reshape(1, 2, 2, 3) * 4, (1, 3, 3), bias=[9])],
            (2, 4, 5),
        ),
    ],
    ids=["odd weights", "delays", "feedback and mean", "picture"],
)  # fmt: skip
def test_lava_runs_the_file_as_the_integer_simulator_runs_the_network(
    layers: list[Layer], shape: tuple[int, ...], on: str, tmp_path: Path
) -> None:
    network = network_of(tmp_path, *layers)
    rng = np.random.default_rng(RNG_SEED)
    frames = (
        rng.integers(0, 100, (2, 25, *shape)).astype(np.uint8) if len(shape) == 3 else events(rng, 2, 25, shape, 0.3)
    )
    assert deploy.compare(deploy.run(network, frames), deploy.run(network, frames, on=on))


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        (POOL, UnsupportedError, r"layer1: netx has no pooling .*run it --on integer or lava"),
        (conv(np.full((1, 1, 3, 3), 4), (1, 2, 2), **neuron(wgtExp=1)), UnsupportedError, "netx reads over its wgtExp"),
    ],
)  # fmt: skip
def test_what_netx_would_read_otherwise_is_not_run_there(
    changed: Layer, error: type[DeployError], said: str, tmp_path: Path
) -> None:
    network = network_of(tmp_path, PICTURE, changed)
    with pytest.raises(error, match=said):
        deploy.run(network, np.ones((1, 3, 1, 4, 4), np.uint8), on="netx")


def test_weights_that_lava_would_clip_are_not_run_there(tmp_path: Path) -> None:
    """All below 0 and a power of two: netx shifts -128 up to -256, which Lava's Dense clips to -255."""
    network = network_of(tmp_path, INPUT, dense([[-128, -2]]))
    with pytest.raises(GridError, match="layer1: netx's Dense in Lava would change its weights"):
        deploy.run(network, np.ones((1, 3, 2), np.uint8), on="netx")


def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    """In a process of its own, because a damaged HDF5 file may end one, with a time limit, because it may hang one."""
    path = write_layers(
        tmp_path / "a.net", PICTURE, conv(np.full((1, 1, 2, 2), 4), (1, 3, 3)), layer("flatten", (9,)),
        dense(np.full((2, 9), 6), delay=[1, 2]), layer("average", (1,)),
    )  # fmt: skip
    call = "from tests.deploy.formats.netx_files import *; print(read_damaged(Path(sys.argv[1]), range(400)))"
    command = [sys.executable, "-c", f"import sys; {call}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    counts = ast.literal_eval(done.stdout)
    assert counts["refused"] > 100 and counts["read"] > 20


def test_a_flat_layer_too_large_for_its_weights_is_refused_before_the_memory_is_taken(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="layer0: 100000 sums over 100000 flat inputs are more weights than"):
        network_of(tmp_path, layer("input", (100_000,), **neuron()), dense([[2]]))
