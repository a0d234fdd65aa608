"""Layers whose inputs are multiplied instead of their events added up: the same integers, whichever way is taken."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deploy.network import Conv, Dense, Flatten, Input, Network, Node, Output, SumPool
from deploy.network.shapes import output_shape
from deploy.runners import integer
from deploy.runners.integer import products
from deploy.runners.integer.prepared import Prepared
from tests.builders import cells, chain
from tests.deploy.runners.reference import simulate

ALWAYS = 1 << 40
"""What an event would have to cost for every input to be multiplied."""
COSTS = [0, ALWAYS]


def forced(network: Network, cost: int) -> Prepared:
    """`network` prepared so that no synapse is multiplied (0), or all that can be (ALWAYS)."""

    def with_cost(synapse: Any) -> Any:
        able = synapse.product is not products.NO_PRODUCT
        return synapse._replace(product=synapse.product._replace(events_cost=cost * able))

    prepared = Prepared.of(network)
    return replace(
        prepared,
        synapses={
            name: found and replace(found, layout=with_cost(found.layout), plain=with_cost(found.plain))
            for name, found in prepared.synapses.items()
        },
    )


def networks() -> Iterator[tuple[str, Network]]:
    """Every width of a block, strides, paddings, dilated rows, poolings with leftovers, dense layers, counts."""
    rng = np.random.default_rng(0)

    def bytes_(*shape: int) -> Any:
        return rng.integers(-128, 128, shape)

    for channels in (5, 8, 16, 24, 33, 64, 130):
        yield (
            f"{channels} channels",
            chain(
                input=Input(shape=(3, 7, 9)),
                conv1=Conv(weight=bytes_(channels, 3, 3, 3), padding=(1, 1)),
                lif1=cells(channels, 7, 9, vth=300),
                pool=SumPool(kernel=(2, 2), stride=(2, 2)),
                conv2=Conv(weight=bytes_(20, channels, 3, 2), padding=(1, 1)),
                lif2=cells(20, 3, 5, vth=600, du=1500),
                flatten=Flatten(),
                dense=Dense(weight=bytes_(11, 300), weight_exp=1),
                lif3=cells(11, vth=2000),
                output=Output(),
            ),
        )
    for stride, padding, dilation in (((2, 1), (2, 0), (1, 1)), ((1, 3), (0, 2), (2, 1)), ((3, 2), (1, 1), (3, 1))):
        conv = Conv(weight=bytes_(40, 2, 3, 3), stride=stride, padding=padding, dilation=dilation)
        yield (
            f"stride {stride}",
            chain(
                input=Input(shape=(2, 11, 12)),
                conv=conv,
                lif=cells(*output_shape("conv", conv, (2, 11, 12)), vth=300),
                output=Output(),
            ),
        )


@pytest.mark.parametrize(("label", "network"), networks())
@pytest.mark.parametrize("largest", [1, 40])
def test_what_is_multiplied_is_what_events_add_up_to(label: str, network: Network, largest: int) -> None:
    rng = np.random.default_rng(1)
    shape = (2, 9, *network.input_shape)
    frames = ((rng.random(shape) < 0.4) * rng.integers(1, largest + 1, shape)).astype(np.uint8)
    expected = simulate(network, frames)
    for cost in COSTS:
        simulator = integer.Simulator(network, 2, states=True, prepared=forced(network, cost))
        parts = [simulator.advance(part) for part in (frames[:, :4], frames[:, 4:])]
        for kind in ("spikes", "u", "v"):
            for name in network.neurons:
                result = np.concatenate([part[kind][name] for part in parts], axis=1)
                assert np.array_equal(result, np.stack(getattr(expected, kind)[name], axis=1)), (
                    label,
                    cost,
                    kind,
                    name,
                )
        assert simulator.overflows == expected.overflows
    assert all(np.any(spikes) for spikes in expected.spikes.values())


def test_the_largest_sums_of_bytes_are_exact() -> None:
    """255 times 127 and -128 over thousands of inputs: far beyond what float32 or int16 could hold."""
    weight = np.full((2, 4000), 127)
    weight[1] = -128
    weight[:, 0] = 1  # an odd one: no power of two can be taken out
    network = chain(input=Input(shape=(4000,)), dense=Dense(weight=weight), lif=cells(2, du=100), output=Output())
    frames = np.full((1, 5, 4000), 255, np.uint8)
    frames[:, 2, ::3] = 7
    expected = simulate(network, frames)
    for cost in COSTS:
        simulator = integer.Simulator(network, 1, states=True, prepared=forced(network, cost))
        found = simulator.advance(frames)
        for kind in ("u", "v"):
            assert np.array_equal(found[kind]["lif"], np.stack(getattr(expected, kind)["lif"], axis=1))
        assert simulator.overflows == expected.overflows and expected.overflows["lif"] > 0


@pytest.mark.parametrize(
    ("conv", "able"),
    [
        (Conv(weight=np.full((4, 2, 3, 3), 254)), True),  # 127 times 2
        (Conv(weight=np.full((4, 2, 3, 3), -255)), False),
        (Conv(weight=np.full((4, 1, 3, 3), 3), groups=2), False),
        (Conv(weight=np.full((4, 2, 3, 3), 3), dilation=(1, 2)), False),
        (Conv(weight=np.full((4, 2, 3, 1), 3), dilation=(2, 2)), True),
    ],
)
def test_only_weights_that_are_bytes_and_runs_of_neighbors_are_multiplied(conv: Conv, able: bool) -> None:
    rows, columns = (9 - (size - 1) * apart for size, apart in zip(conv.weight.shape[2:], conv.dilation, strict=True))
    nodes: dict[str, Node] = {"conv": conv, "lif": cells(4, rows, columns)}
    prepared = Prepared.of(chain(input=Input(shape=(2, 9, 9)), **nodes, output=Output())).synapses["conv"]
    assert prepared is not None
    for synapse in (prepared.layout, prepared.plain):
        assert (synapse.product is not products.NO_PRODUCT) is able


def test_without_the_instruction_the_sums_are_the_same_and_events_are_preferred() -> None:
    """A processor without AVX-512 VNNI, as numba compiles for one."""
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    code = (
        "from tests.deploy.runners.test_products import *\n"
        "assert not products.multiplies_bytes()\n"
        "label, network = next(networks())\n"
        "assert all(s.plain.product.events_cost == 0 for s in Prepared.of(network).synapses.values())\n"
        "test_what_is_multiplied_is_what_events_add_up_to(label, network, 40)\n"
        "test_the_largest_sums_of_bytes_are_exact()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
