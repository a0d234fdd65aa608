"""The integer simulator beside its arithmetic: a published trace, live cameras, threads, refusals."""

import itertools

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

import deploy
from deploy.errors import FramesError, GridError, UnsupportedError
from deploy.network import Conv, Delay, Dense, Flatten, Input, Network, Node, Output, Scale, SumPool
from deploy.runners import integer
from deploy.traces.checksum import digest
from deploy.traces.compare import compare
from tests.builders import cells, chain
from tests.deploy.runners.reference import simulate

Frames = NDArray[np.uint8]


@pytest.fixture
def camera_network() -> Network:
    """A convolution, pooling, a delay and a recurrent dense layer, with decaying currents."""
    rng = np.random.default_rng(5)
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 8, 8)),
        "conv": Conv(weight=rng.integers(-40, 60, (6, 2, 3, 3)), padding=(1, 1)),
        "lif1": cells(6, 8, 8, du=1500),
        "pool": SumPool(kernel=(2, 2), stride=(2, 2)),
        "delay": Delay(steps=3),
        "flatten": Flatten(),
        "dense": Dense(weight=rng.integers(-30, 40, (12, 96))),
        "lif2": cells(12, dv=50, bias=200),
        "output": Output(),
        "back": Dense(weight=rng.integers(-60, 60, (12, 12))),
    }
    forward = tuple(itertools.pairwise(list(nodes)[:-1]))
    return Network(nodes=nodes, edges=(*forward, ("lif2", "back"), ("back", "lif2")))


@pytest.fixture
def frames() -> NDArray[np.uint8]:
    return (np.random.default_rng(6).random((5, 40, 2, 8, 8)) < 0.15).astype(np.uint8)


def test_the_golden_two_node_graph_follows_the_published_recurrence() -> None:
    """A weight and a LIF of tau 2.5 ms at dt 0.1 ms, threshold 0.1: dv = 163, vth = 25, weight 10.

    The recurrence is written out here in plain integers. On a real Loihi 2 its spikes are the same.
    """
    network = chain(
        input=Input(shape=(1,)),
        weight=Dense(weight=np.array([[10]])),
        lif=cells(1, dv=163, vth=25),
        output=Output(),
    )
    frames = (np.random.default_rng(0).random((1, 1000, 1)) < 0.4).astype(np.uint8)
    trace = deploy.run(network, frames, states=1, digests=True)
    v, spikes = 0, 0
    for t, event in enumerate(frames[0, :, 0]):
        u = int(event) * 10 << 6
        v = (v * (4096 - 163) >> 12) + u
        spike = v > 25 << 6
        v = 0 if spike else v
        spikes += spike
        assert (
            trace.layers["lif"]["u"][0, t, 0],
            trace.layers["lif"]["v"][0, t, 0],
            trace.layers["lif"].output[0, t, 0],
        ) == (u, v, spike)
    assert spikes > 100


@pytest.mark.parametrize("channels", [1, 3, 8, 20, 34, 130])
@pytest.mark.parametrize("schedule", ["synchronous", "pipelined"])
def test_checksums_are_those_of_the_states(channels: int, schedule: str) -> None:
    """The kernels make them neuron by neuron, in blocks of channels that are filled up."""
    rng = np.random.default_rng(channels)
    network = chain(
        input=Input(shape=(2, 9, 9)),
        conv=Conv(weight=rng.integers(-40, 60, (channels, 2, 3, 3))),
        lif1=cells(channels, 7, 7, du=1500),
        flatten=Flatten(),
        dense=Dense(weight=rng.integers(-9, 10, (channels + 3, channels * 49))),
        lif2=cells(channels + 3, dv=50, bias=200),
        fc=Dense(weight=rng.integers(-60, 60, (5, channels + 3))),
        readout=cells(5, vth=None, dv=0),
        output=Output(),
    )
    frames = (rng.random((5, 6, 2, 9, 9)) < 0.2).astype(np.uint8)
    whole = integer.run(network, frames, states=5, schedule=schedule)
    summed = integer.run(network, frames, states=2, digests=True, schedule=schedule)
    for name, layer in whole.layers.items():
        of = summed.layers[name]
        assert layer.is_readout or (np.array_equal(of.output, layer.output) and layer.output.any())
        for kind in ("u", "v"):
            assert np.array_equal(of.digests[kind], digest(layer[kind])) and layer[kind].any()
            assert np.array_equal(of[kind], layer[kind][: of.held(kind)])
        assert (of.held("u"), of.held("v")) == (2, 5 if layer.is_readout else 2)


@pytest.mark.parametrize("schedule", ["synchronous", "pipelined"])
def test_a_live_camera_gets_what_a_batch_gets(
    camera_network: Network, frames: NDArray[np.uint8], schedule: str
) -> None:
    whole = integer.Simulator(camera_network, 5, schedule=schedule).advance(frames)["spikes"]
    live = integer.Simulator(camera_network, 5, schedule=schedule)
    for t in range(frames.shape[1]):
        for name, spikes in live.step(frames[:, t]).items():
            assert np.array_equal(spikes, whole[name][:, t])
    assert all(spikes.any() for spikes in whole.values())


def test_on_a_pipeline_a_layer_starts_afresh_when_its_first_input_arrives(frames: NDArray[np.uint8]) -> None:
    """As Lava's LIFReset with the layer's depth as `reset_offset`: what a bias did before that is forgotten."""
    rng = np.random.default_rng(3)
    network = chain(
        input=Input(shape=(2, 8, 8)),
        flatten=Flatten(),
        dense1=Dense(weight=rng.integers(-30, 40, (20, 128))),
        lif1=cells(20, bias=900),
        dense2=Dense(weight=rng.integers(-30, 40, (9, 20))),
        lif2=cells(9, du=2000, bias=900),
        output=Output(),
    )
    pipelined = integer.run(network, frames, states=5, digests=True, schedule="pipelined")
    synchronous = integer.run(network, frames, states=5, digests=True)
    assert pipelined.offsets == {"lif1": 1, "lif2": 2}
    for name, shift in pipelined.offsets.items():
        assert pipelined.layers[name]["v"][:, :shift].any()
        for kind in ("spikes", "u", "v"):
            assert np.array_equal(pipelined.aligned(kind, name), synchronous.layers[name][kind])
        assert synchronous.layers[name].output.any()


def test_what_a_bias_brings_up_before_the_first_input_does_not_travel_on() -> None:
    """Neither through feedback nor through a Delay, which would bring it back after the reset."""
    rng = np.random.default_rng(3)
    nodes = {
        "input": Input(shape=(6,)),
        "dense1": Dense(weight=rng.integers(-30, 40, (5, 6))),
        "lif1": cells(5, vth=60, bias=5000),
        "dense2": Dense(weight=rng.integers(-30, 40, (5, 5))),
        "lif2": cells(5, vth=60, bias=5000),
        "back": Dense(weight=rng.integers(-30, 40, (5, 5))),
        "delay": Delay(steps=2),
        "dense3": Dense(weight=rng.integers(-30, 40, (3, 5))),
        "readout": cells(3, vth=None),
        "output": Output(),
    }
    forward = [name for name in nodes if name != "back"]
    network = Network(nodes=nodes, edges=(*itertools.pairwise(forward), ("lif2", "back"), ("back", "lif2")))
    frames = (rng.random((4, 9, 6)) < 0.3).astype(np.uint8)
    synchronous = integer.run(network, frames, states=4, digests=True)
    pipelined = integer.run(network, frames, states=4, digests=True, schedule="pipelined")
    assert any(pipelined.layers[name].output[:, : pipelined.offsets[name]].any() for name in ("lif1", "lif2"))
    assert compare(synchronous, pipelined)


def test_frames_with_fractions_are_refused(camera_network: Network, frames: NDArray[np.uint8]) -> None:
    for wrong in (frames * 0.5, np.where(frames, np.nan, 0)):
        with pytest.raises(FramesError, match="whole numbers"):
            integer.run(camera_network, wrong)
    whole = integer.run(camera_network, frames.astype(float))
    assert compare(whole, integer.run(camera_network, frames))


@pytest.mark.parametrize("largest", [1, 60, 255])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_pooling_that_the_convolution_takes_over_changes_nothing(largest: int, stride: int) -> None:
    """Rows and columns that the pooling leaves over count for nothing; large counts are pooled by themselves."""
    rng = np.random.default_rng(7)
    convolution = Conv(weight=rng.integers(-40, 50, (12, 3, 3, 5)), stride=(stride, 1), padding=(1, 2))
    network = chain(
        input=Input(shape=(3, 11, 13)),
        pool=SumPool(kernel=(2, 3), stride=(2, 3)),
        conv=convolution,
        lif=cells(12, 5 if stride == 1 else 3, 4, vth=100 * largest),
        output=Output(),
    )
    frames = ((rng.random((3, 20, 3, 11, 13)) < 0.1) * rng.integers(1, largest + 1, (3, 20, 3, 11, 13))).astype(
        np.uint8
    )
    # A quiet start: the way in which sums are made may change on the way.
    frames[:, :5] = frames[:, :5] > 0
    if largest == 255:
        frames //= 6  # six of them are pooled, and what enters a synapse is at most 255
        frames[:, -1, :, :2, :3] = 42
    expected = simulate(network, frames)
    simulator = integer.Simulator(network, 3, states=True)
    parts = [simulator.advance(part) for part in (frames[:, :5], frames[:, 5:])]
    for kind in ("spikes", "u", "v"):
        result = np.concatenate([part[kind]["lif"] for part in parts], axis=1)
        assert np.array_equal(result, np.stack(getattr(expected, kind)["lif"], axis=1))
    assert np.any(expected.spikes["lif"]) and simulator.overflows == expected.overflows


def test_counts_that_pooling_brings_beyond_a_byte_are_refused() -> None:
    network = chain(
        input=Input(shape=(1, 2, 2)),
        pool=SumPool(kernel=(2, 2), stride=(2, 2)),
        conv=Conv(weight=np.ones((1, 1, 1, 1), int)),
        lif=cells(1, 1, 1),
        output=Output(),
    )
    with pytest.raises(GridError, match="counts from 0 to 255, these reach from 400 to 400"):
        integer.Simulator(network, 1).step(np.full((1, 1, 2, 2), 100, np.uint8))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [1, 3, 64])
def test_threads_and_batches_change_nothing(
    camera_network: Network, frames: NDArray[np.uint8], threads: int, batch: int
) -> None:
    before = numba.get_num_threads()
    if threads > before:
        pytest.skip("this machine has one core")
    expected = simulate(camera_network, frames)
    numba.set_num_threads(threads)
    try:
        trace = integer.run(camera_network, frames, states=5, digests=True, batch=batch)
    finally:
        numba.set_num_threads(before)
    for name in camera_network.neurons:
        assert np.array_equal(trace.layers[name].output, np.stack(expected.spikes[name], axis=1))
        assert np.array_equal(trace.layers[name]["v"], np.stack(expected.v[name], axis=1))
    assert trace.layers["lif2"].output.any()


def test_sums_beyond_every_narrow_type_stay_exact() -> None:
    network = chain(
        input=Input(shape=(3,)),
        dense=Dense(weight=np.array([[2**40 + 5, -(2**33), 7], [1, 1, 1]]), weight_exp=3),
        lif=cells(2, du=100, vth=60000),
        output=Output(),
    )
    frames = np.random.default_rng(1).integers(0, 256, (2, 30, 3)).astype(np.uint8)
    expected = simulate(network, frames)
    simulator = integer.Simulator(network, 2, states=True)
    result = simulator.advance(frames)
    assert np.array_equal(result["v"]["lif"], np.stack(expected.v["lif"], axis=1))
    assert simulator.overflows == expected.overflows and expected.overflows["lif"] > 0


def test_counts_after_a_quiet_start_do_not_outgrow_the_proof() -> None:
    """The proof of bounds looks at the largest count so far: it grows when a later frame brings more."""
    network = chain(
        input=Input(shape=(4000,)), dense=Dense(weight=np.full((1, 4000), 254)), lif=cells(1), output=Output()
    )
    frames = np.ones((1, 2, 4000), np.uint8)
    frames[:, 1] = 255
    expected = simulate(network, frames)
    simulator = integer.Simulator(network, 1, states=True)
    u = [simulator.advance(frames[:, t : t + 1])["u"]["lif"] for t in range(2)]
    assert np.array_equal(np.concatenate(u, axis=1), np.stack(expected.u["lif"], axis=1))
    assert simulator.overflows == expected.overflows


def test_what_the_grid_does_not_have_is_refused_by_name() -> None:
    scale = chain(input=Input(shape=(2,)), half=Scale(factor=np.array(0.5)), lif=cells(2), output=Output())
    with pytest.raises(UnsupportedError, match="half: the grid has no Scale"):
        integer.Simulator(scale, 1)
    floating = chain(input=Input(shape=(2,)), dense=Dense(weight=np.full((1, 2), 0.5)), lif=cells(1), output=Output())
    with pytest.raises(GridError, match="dense: weights are float64"):
        integer.Simulator(floating, 1)
    dense = chain(input=Input(shape=(2,)), dense=Dense(weight=np.ones((1, 2), int)), lif=cells(1), output=Output())
    with pytest.raises(FramesError, match="hold 256; allowed are whole numbers from 0 to 255"):
        integer.Simulator(dense, 1).step(np.array([[0, 256]]))


def test_a_simulator_refuses_other_recordings_than_it_keeps_the_state_of(camera_network: Network) -> None:
    simulator = integer.Simulator(camera_network, recordings=2)
    with pytest.raises(FramesError, match="frames of 5 recordings; this simulator keeps the state of 2"):
        simulator.advance(np.zeros((5, 3, *camera_network.input_shape), np.uint8))
