"""A kind of neuron that a place does not know steps itself there or is refused by name, never taken for another."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.checking.divergence.groups import differing_groups
from deploy.checking.divergence.patterns import describe
from deploy.checking.divergence.replay import replay
from deploy.checking.divergence.setup import Setup
from deploy.errors import UnsupportedError
from deploy.formats.netx import fit_to_netx, write_netx
from deploy.formats.nir import write_nir
from deploy.formats.onnx import write_onnx
from deploy.network import Dense, FloatNeuron, GridNeuron, Network, Neuron
from deploy.passes.to_float import to_float
from deploy.quantization.rounding import collect_layer
from deploy.runners import floating, integer
from deploy.runners.lava import fixed as lava
from tests.builders import FRAMES, events, small, small_network
from tests.deploy.changed import same_traces


@dataclass(frozen=True, kw_only=True)
class OddGrid(GridNeuron):
    """One that nobody knows."""


@dataclass(frozen=True, kw_only=True)
class OddFloat(FloatNeuron):
    """The same in floats."""


def on_grid() -> Network:
    values: dict[str, Any] = {"du": np.array(4095), "dv": np.array(400), "vth": np.array(100), "bias": np.array(0)}
    return small(lif=OddGrid(shape=(2,), **values)).replace(scale_bits={"lif": 4})


def in_floats(bias: float = 0, gain: float = 1) -> Network:
    one, factor, shift = (np.asarray(value, np.float32) for value in (1, gain, bias))
    lif = OddFloat(shape=(2,), keep=one / 2, gain=factor, bias=shift, threshold=one)
    return small(fc=Dense(weight=np.ones((2, 3), np.float32)), lif=lif, output=small().nodes["output"])


def _torch(network: Network, _: Path) -> object:
    return pytest.importorskip("export.integer").IntegerNetwork(network)


def _soft(network: Network) -> Setup:
    return Setup(network=network, frames=FRAMES).with_rules("lif", spike_at_equal=True)


PLACES: dict[str, tuple[Callable[[], Network], Callable[[Network, Path], object]]] = {
    "lava": (on_grid, lambda network, folder: lava.prepare(network, FRAMES, folder)),
    "lava-float": (in_floats, lambda network, folder: lava.prepare(network, FRAMES, folder, floating=True)),
    "torch": (on_grid, _torch),
    "nir": (on_grid, lambda network, folder: write_nir(network, folder / "a.nir")),
    "nir, floats": (in_floats, lambda network, folder: write_nir(network, folder / "a.nir")),
    "onnx": (on_grid, lambda network, folder: write_onnx(network, folder / "a.onnx")),
    "onnx, floats": (in_floats, lambda network, folder: write_onnx(network, folder / "a.onnx")),
    "netx": (on_grid, lambda network, folder: write_netx(network, folder / "a.net")),
    "fit to netx": (on_grid, lambda network, _: fit_to_netx(network)),
    "to float": (on_grid, lambda network, _: to_float(network)),
    "quantizer": (in_floats, lambda network, _: collect_layer(network, "lif")),
    "replay": (
        on_grid,
        lambda network, _: replay(_soft(network)),
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_it_is_refused_by_name(place: str, tmp_path: Path) -> None:
    make, use = PLACES[place]
    with pytest.raises(UnsupportedError, match=r"lif: a Odd(Grid|Float), and .* knows .* alone"):
        use(make(), tmp_path)


@pytest.mark.parametrize("schedule", ["synchronous", "pipelined"])
def test_its_own_steps_run_on_the_grid(schedule: str) -> None:
    network, rng = small_network(), np.random.default_rng(0)
    bias = np.zeros((network.shapes["lif1"][0], 1, 1), np.int64)
    bias[0] = -(1 << 22)  # until the potential saturates
    lif1 = replace(network.neurons["lif1"], du=np.array(3000), bias=bias)
    network = network.replace(nodes={**network.nodes, "lif1": lif1})
    frames = events(rng, 3, 9, network.input_shape, rate=0.5)
    wanted = integer.run(network, frames, states=2, digests=True, schedule=schedule)
    found = integer.run(disguised(network, OddGrid), frames, states=2, digests=True, schedule=schedule)
    assert wanted.layers["lif1"].overflows and same_traces(wanted, found)


def test_its_own_steps_run_in_floats() -> None:
    network = to_float(small_network())
    frames = events(np.random.default_rng(0), 3, 9, network.input_shape, rate=0.5)
    wanted = floating.run(network, frames, states=2)
    assert same_traces(wanted, floating.run(disguised(network, OddFloat), frames, states=2))


def disguised(network: Network, kind: type[Neuron]) -> Network:
    """The same, its neurons of another name."""
    others = {name: kind(**vars(node)) for name, node in network.neurons.items()}
    return network.replace(nodes={**network.nodes, **others})


def test_what_differs_is_told_by_its_groups() -> None:
    assert [(group.node, group.kind) for group in differing_groups(in_floats(), in_floats(bias=1))] == [("lif", "bias")]


def test_the_second_parameter_of_a_group_is_told_where_it_alone_differs() -> None:
    (group,) = differing_groups(in_floats(), in_floats(gain=2))
    kind, text = describe(group, in_floats(), in_floats(gain=2))
    assert (kind, text) == ("potential-decay", "gain is 2 instead of 1 (off by +1)")
