"""Cores, memory and energy against cases worked by hand: to the core and to the byte."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deploy.errors import TraceError, UnsupportedError
from deploy.grid.chips import LOIHI1, LOIHI2
from deploy.mapping.layout import map_network
from deploy.mapping.memory import list_bits, weight_bits
from deploy.mapping.partition import cuts
from deploy.mapping.tiles import Link, axons_out, full_shape, reach
from deploy.network import Conv, Delay, Dense, Flatten, Input, Network, Output, SumPool
from deploy.traces.layers import LayerRecord
from deploy.traces.trace import Trace
from tests.builders import cells, chain


def eight_bits(*shape: int) -> np.ndarray:
    """Weights of both signs that need all eight bits."""
    weight = np.full(shape, 2)
    weight.flat[0] = -254
    return weight


def dense(inputs: int, outputs: int) -> Network:
    weight = eight_bits(outputs, inputs)
    return chain(input=Input(shape=(inputs,)), fc=Dense(weight=weight), lif=cells(outputs), output=Output())


def conv(size: int, outputs: int = 1, **options: tuple[int, int]) -> Network:
    """3 x 3 kernels over one channel, without padding and with stride 1 unless the options say otherwise."""
    node = Conv(weight=eight_bits(outputs, 1, 3, 3), **options)  # pyright: ignore[reportArgumentType]
    probe = chain(input=Input(shape=(1, size, size)), conv=node, output=Output())
    return chain(input=Input(shape=(1, size, size)), conv=node, lif=cells(*probe.shapes["conv"]), output=Output())


def test_a_list_of_weights_has_headers_and_whole_words() -> None:
    assert list_bits(50, 8) == 448  # 50 * 8 + 10 = 410, up to 7 words of 64
    assert list_bits(64, 8) == 576  # 64 * 8 + 10 = 522
    assert list_bits(65, 8) == 576 + 64  # the next block holds one weight
    assert list_bits(0, 8) == 0


@pytest.mark.parametrize(
    ("weight", "bits"),
    [
        ([[-254, 2]], 8),
        ([[255, 1]], 8),
        ([[-256, 4]], 8),  # 7 bits would do, but the chip has no width of 7
        ([[-256, 8]], 6),
        ([[0, 0]], 1),
        ([[0.5, 1.0]], 8),
    ],
)
def test_weights_take_the_narrowest_width_that_holds_them(weight: list[list[float]], bits: int) -> None:
    assert weight_bits(np.array(weight)) == bits


def test_a_small_dense_layer_takes_one_core() -> None:
    mapping = map_network(dense(100, 50), LOIHI1)
    (core,) = mapping.cores
    # 100 axons, each with a list of 50 weights: 448 bits = 56 bytes.
    assert (core.neurons, core.axons_in, core.axons_out, core.memory) == (50, 100, 0, 5600)
    assert mapping.fits


def test_memory_decides_how_a_wide_dense_layer_is_cut() -> None:
    mapping = map_network(dense(300, 2000), LOIHI1)
    # 5 cores: 400 neurons, 6 blocks of 576 bits and one of 16 weights (192): 456 bytes * 300 = 136,800, over 131,072.
    # 6 cores: 334 neurons, 5 blocks and one of 14 (128): 376 bytes * 300 = 112,800.
    assert len(mapping.cores) == 6
    assert max(core.memory for core in mapping.cores) == 112_800
    assert sum(core.neurons for core in mapping.cores) == 2000


def test_a_convolution_shares_its_weights() -> None:
    (core,) = map_network(conv(6), LOIHI1).cores
    # 16 neurons: indices of 6 bits, 14 bits a weight. An input row is reached by taps (0), (0,1), (0,1,2) twice, (1,2),
    # (2): 5 different sets, so 25 lists. Their lengths: 1 four times, 2 eight, 3 four, 4 four, 6 four, 9 once.
    # 64 bits up to length 3 (52), 128 up to length 6 (94), 192 for 9 (136): 16 * 64 + 8 * 128 + 192 = 2,240 bits.
    assert core.memory == 280
    # Unshared, 36 inputs have a list each: length 1 four, 2 eight, 3 eight, 4 four, 6 eight, 9 four times.
    assert core.unshared == (20 * 64 + 12 * 128 + 4 * 192) // 8 == 448
    assert (core.neurons, core.axons_in) == (16, 36)


def test_a_strided_convolution_reaches_only_what_it_reads() -> None:
    (core,) = map_network(conv(6, outputs=2, stride=(2, 2)), LOIHI1).cores
    # Outputs at 0 and 2 read rows 0 to 4: row 5 has no tap, 5 * 5 axons. Taps by row: (0), (1), (0,2), (1), (2).
    # Lists: rows and columns of 1, 1, 2, 1 taps (tap 1 is met twice): 4 * 4 = 16. Two outputs double each list:
    # 2 weights nine times, 4 six times, 8 once, of 14 bits: 38 -> 64, 66 -> 128, 122 -> 128.
    assert core.axons_in == 25
    assert core.memory == (9 * 64 + 6 * 128 + 128) // 8


def test_a_picture_is_cut_into_bands_when_it_has_too_many_neurons() -> None:
    chip = replace(LOIHI1, neurons_per_core=8)
    mapping = map_network(conv(6), chip)
    assert [core.tile.rows for core in mapping.cores] == [(0, 2), (2, 4)]
    # A band of 2 output rows reads 4 input rows of 6 pixels.
    assert [core.axons_in for core in mapping.cores] == [24, 24]


def test_axons_out_count_every_core_that_a_neuron_reaches() -> None:
    network = chain(
        input=Input(shape=(4,)),
        fc1=Dense(weight=eight_bits(20, 4)),
        lif1=cells(20),
        fc2=Dense(weight=eight_bits(30, 20)),
        lif2=cells(30),
        output=Output(),
    )
    mapping = map_network(network, replace(LOIHI1, neurons_per_core=10))
    assert mapping.cores_by_layer == {"lif1": 2, "lif2": 3}
    assert [core.axons_out for core in mapping.cores] == [30, 30, 0, 0, 0]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": (2, 3), "padding": (1, 0)},
        {"dilation": (2, 1), "padding": (2, 2)},
        {"groups": 2, "padding": (1, 1)},
        {"groups": 4, "stride": (1, 2)},
    ],
)
def test_axons_out_of_convolutions_are_counted_neuron_by_neuron(options: dict[str, Any]) -> None:
    """Beside a count of every neuron in what reaches each core, for every way to cut both layers."""
    chip = replace(LOIHI1, neurons_per_core=60, cores=8)
    node = Conv(weight=eight_bits(8, 4 // options.get("groups", 1), 3, 3), **options)
    probe = chain(input=Input(shape=(4, 8, 9)), conv=node, output=Output())
    link = Link("conv", node, "input", (4, 8, 9), full_shape(probe.shapes["conv"]), 0)
    ways = 0
    for targets in cuts(link.after, chip):
        for tiles in cuts(link.before, chip):
            for tile in tiles:
                counted = sum(int(reach(link, target)[tile.slices].sum()) for target in targets)
                assert axons_out(link, tile, targets) == counted > 0
            ways += 1
    assert ways > 10


def test_a_core_is_cut_further_where_its_axons_out_do_not_fit() -> None:
    network = chain(
        input=Input(shape=(4,)),
        fc1=Dense(weight=eight_bits(10, 4)),
        lif1=cells(10),
        fc2=Dense(weight=eight_bits(30, 10)),
        lif2=cells(30),
        output=Output(),
    )
    mapping = map_network(network, replace(LOIHI1, neurons_per_core=10, axons_out=15))
    # 10 neurons reach 3 cores: 30 axons where 15 are allowed, so 5 neurons a core.
    assert mapping.cores_by_layer == {"lif1": 2, "lif2": 3}
    assert mapping.fits


def too_many_inputs() -> Network:
    return dense(5000, 10)


def too_many_neurons() -> Network:
    """198 * 198 * 4: 5 rows of one channel are 990 neurons, so 40 bands of each of 4 channels; no cut is better."""
    return conv(200, outputs=4)


def too_long_a_delay() -> Network:
    network = dense(10, 10)
    nodes = {"input": network.nodes["input"], "delay": Delay(steps=100), **network.nodes}
    return chain(**nodes)


@pytest.mark.parametrize(
    ("build", "limit", "value", "allowed"),
    [
        (too_many_inputs, "axons in of a core", 5000, 4096),
        (too_many_neurons, "cores", 160, 128),
        (too_long_a_delay, "delay in steps", 100, 62),
    ],
)
def test_a_network_that_cannot_fit_says_which_limit_and_by_how_much(
    build: Callable[[], Network], limit: str, value: int, allowed: int
) -> None:
    mapping = map_network(build(), LOIHI1)
    assert not mapping.fits
    (found,) = [violation for violation in mapping.violations if violation.limit == limit]
    assert (found.value, found.allowed) == (value, allowed)
    assert f"{found.value - allowed:,} too many" in str(found)
    assert found.advice in str(found)


def test_pooling_is_refused_with_the_way_out() -> None:
    pooled = chain(
        input=Input(shape=(1, 4, 4)), pool=SumPool(kernel=(2, 2), stride=(2, 2)), lif=cells(1, 2, 2), output=Output()
    )
    with pytest.raises(UnsupportedError, match=r"pool, a SumPool.*Quantize the network first"):
        map_network(pooled, LOIHI1)


def trace_of(network: Network, frames: np.ndarray, spikes: dict[str, np.ndarray]) -> Trace:
    layers = {name: LayerRecord(spikes=values) for name, values in spikes.items()}
    return Trace(layers=layers, predictions=np.zeros(len(frames), int), frames=frames)


def test_energy_is_the_sum_of_counted_operations() -> None:
    network = chain(
        input=Input(shape=(1, 4, 4)),
        conv=Conv(weight=eight_bits(2, 1, 3, 3)),
        lif1=cells(2, 2, 2),
        flatten=Flatten(),
        fc=Dense(weight=eight_bits(5, 8)),
        lif2=cells(5),
        output=Output(),
    )
    frames = np.zeros((1, 3, 1, 4, 4), np.uint8)
    frames[0, 0, 0, 1, 1] = 1  # inside: all 4 windows see it, 2 outputs each
    frames[0, 1, 0, 0, 0] = 1  # corner: 1 window
    one, two = np.zeros((1, 3, 2, 2, 2), bool), np.zeros((1, 3, 5), bool)
    one[0, 1, 0, 0, 0] = one[0, 2, 1, 1, 1] = True
    two[0, 2, 3] = True
    guess = map_network(network, LOIHI1, trace_of(network, frames, {"lif1": one, "lif2": two})).estimate
    assert guess is not None
    activity = guess.activity
    assert activity.synaptic_operations == {"conv": 4 * 2 + 1 * 2, "fc": 2 * 5}
    assert activity.neuron_updates == (8 + 5) * 3
    assert activity.spikes == {"lif1": 2.0, "lif2": 1.0}
    assert activity.messages == 2  # two spikes, one core
    picojoule = 10 * 24.0 + 10 * 35.5 + 39 * (51.2 + 21.6) + 3 * 69.3 + 2 * 111.0
    assert guess.energy == pytest.approx(picojoule * 1e-12, rel=1e-12)
    assert activity.activation_sparsity == pytest.approx(1 - 3 / 39)
    assert guess.published


def test_loihi_2_figures_are_labeled_unpublished() -> None:
    network = dense(3, 2)
    trace = trace_of(network, np.ones((1, 2, 3), np.uint8), {"lif": np.ones((1, 2, 2), bool)})
    mapping = map_network(network, LOIHI2, trace)
    assert mapping.estimate is not None and not mapping.estimate.published
    assert "no figures per operation have been published for loihi2" in mapping.estimate.note
    assert any("unpublished" in note for note in mapping.notes)


def test_a_trace_of_another_network_is_refused() -> None:
    network = dense(3, 2)
    with pytest.raises(TraceError, match="knows no layer"):
        map_network(
            network, LOIHI1, trace_of(network, np.ones((1, 2, 3), np.uint8), {"other": np.ones((1, 2, 2), bool)})
        )


def test_parts_of_a_dense_layer_with_delays_of_their_own_are_one_synapse() -> None:
    """Rows of 20 weights, half of them three steps late: one list an input, each weight with two bits of delay."""
    weight = eight_bits(20, 10)
    early, late = weight.copy(), weight.copy()
    early[10:], late[:10] = 0, 0
    network = Network(
        nodes={
            "input": Input(shape=(10,)), "wait": Delay(steps=3), "early": Dense(weight=early),
            "late": Dense(weight=late), "lif": cells(20), "output": Output(),
        },
        edges=(("input", "early"), ("input", "wait"), ("wait", "late"), ("early", "lif"), ("late", "lif"),
               ("lif", "output")),
    )  # fmt: skip
    (core,) = map_network(network, LOIHI1).cores
    assert core.memory == 10 * list_bits(20, 8 + 2) // 8 and core.axons_in == 10


def test_a_dense_layer_of_one_input_each_takes_the_memory_of_a_convolution() -> None:
    alone = Dense(weight=np.eye(40, dtype=np.int64) * 6)
    conv = Conv(weight=np.full((40, 1, 1, 1), 6), groups=40)
    flat = chain(input=Input(shape=(40,)), own=alone, lif=cells(40), output=Output())
    maps = chain(input=Input(shape=(40, 1, 1)), own=conv, lif=cells(40, 1, 1), output=Output())
    assert map_network(flat, LOIHI1).cores[0].memory == map_network(maps, LOIHI1).cores[0].memory
