"""Bounds proven from the weights, against every input that there is, and against runs of random networks."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from deploy.checking.certificate.ranges import Registers, ranges
from deploy.errors import UnsupportedError
from deploy.network import Array, Dense, GridNeuron, Input, Network, Output
from deploy.runners.integer.simulator import run
from tests.builders import cells, chain, small_network
from tests.deploy.oracles import current, voltage
from tests.deploy.runners.plain import after_reset
from tests.graphs.grid import networks

INPUTS, STEPS = 2, 5


def tiny(neurons: GridNeuron, weight: Array) -> Network:
    return chain(in_=Input(shape=(INPUTS,)), fc=Dense(weight=weight), lif=neurons, output=Output())


def every_input() -> Array:
    """All (2^10) frames of five steps at two inputs."""
    return np.array(list(product((0, 1), repeat=INPUTS * STEPS)), np.uint8).reshape(-1, STEPS, INPUTS)


def reached(network: Network, frames: Array) -> tuple[tuple[int, int], tuple[int, int]]:
    """The least and largest u, and potential before the reset, of the layer "lif" over all recordings and steps."""
    node, weight = network.nodes["lif"], network.nodes["fc"]
    assert isinstance(node, GridNeuron) and isinstance(weight, Dense)
    limit = np.array(1 << 40) if node.vth is None else node.vth << 6
    u, v = np.zeros((2, len(frames), *node.shape), np.int64)
    us, vs = [0], [0]
    for t in range(frames.shape[1]):
        u = current(u, frames[:, t].astype(np.int64) @ weight.weight.T, node.du)
        driven = voltage(v, u, node.bias, node.dv)
        if node.reset_delay:
            driven = after_reset(node.reset_mechanism, driven, v > limit, limit)
        v = driven if node.reset_delay else after_reset(node.reset_mechanism, driven, driven > limit, limit)
        us += [int(u.min()), int(u.max())]
        vs += [int(driven.min()), int(driven.max())]
    assert max(map(abs, us + vs)) < 1 << 23, "the test network overflows; choose smaller weights"
    return (min(us), max(us)), (min(vs), max(vs))


def within(inner: tuple[int, int], outer: tuple[int, int] | None) -> bool:
    return outer is None or (outer[0] <= inner[0] and inner[1] <= outer[1])


RESETS = [(kind, late) for kind in ("zero", "subtract", "none") for late in (False, True)]


@pytest.mark.parametrize(("kind", "late"), RESETS)
@pytest.mark.parametrize(("du", "dv"), [(4095, 4096), (4095, 0), (1000, 300), (0, 0)])
def test_no_input_at_all_leaves_the_bounds(kind: str, late: bool, du: int, dv: int) -> None:
    weight = np.array([[60, -40], [30, 80], [-20, -90]])
    neurons = replace(cells(3, vth=70, du=du, dv=dv, bias=-100), reset_mechanism=kind, reset_delay=late)
    network, frames = tiny(neurons, weight), every_input()
    u, v = reached(network, frames)
    for steps in (STEPS, None):
        (found,) = ranges(network, 1, steps)
        assert found.sums == (-110, 110)
        assert within(u, found.u) and within(v, found.v), (steps, u, v, found)


def test_bounds_are_reached_where_no_reset_stands_in_the_way() -> None:
    weight = np.array([[60, -40], [30, 80]])
    network, frames = tiny(cells(2, vth=None, du=1000, dv=300), weight), every_input()
    (found,) = ranges(network, 1, STEPS)
    assert found.u == reached(network, frames)[0]
    network = tiny(cells(2, vth=None, dv=300), weight)
    (found,) = ranges(network, 1, STEPS)
    assert (found.u, found.v) == reached(network, frames)
    # Each step adds the same to a readout that never leaks: five steps of 110 and of -40.
    (found,) = ranges(tiny(cells(2, vth=None, dv=0), weight), 1, STEPS)
    assert found.v == (-5 * 40 << 6, 5 * 110 << 6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(networks())
def test_runs_stay_within_them(case: tuple[Network, Array]) -> None:
    network, frames = case
    trace = run(network, frames, states=len(frames))
    for steps in (frames.shape[1], None):
        for found in ranges(network, max(1, int(frames.max())), steps):
            layer = trace.layers[found.layer]
            u, v = layer["u"], layer["v"]
            if found.never_overflows:
                assert not layer.overflows
                assert within((int(u.min()), int(u.max())), found.u)
            assert within((int(v.min()), int(v.max())), found.v) or layer.overflows


def overflow(found: Registers) -> bool:
    return not found.never_overflows


def test_what_can_overflow_is_not_called_proven() -> None:
    heavy = tiny(replace(cells(1, vth=131071, dv=0), reset_mechanism="none"), np.array([[254, 254]]))
    heavy = heavy.replace(nodes={**heavy.nodes, "fc": Dense(weight=np.array([[254, 254]]), weight_exp=6)})
    assert [overflow(*ranges(heavy, 1, steps)) for steps in (4, 5, None)] == [False, True, True]
    frames = np.ones((1, 5, INPUTS), np.uint8)
    # 508 << 12 a step: four of them are below 2^23, the fifth is not.
    assert [run(heavy, frames[:, :steps]).overflows["lif"] for steps in (4, 5)] == [0, 1]


def test_a_neuron_that_never_leaks_has_no_bound_for_ever() -> None:
    (found,) = ranges(tiny(cells(1, vth=None, dv=0), np.array([[2, -2]])), 1, None)
    assert found.v is None and overflow(found)
    # Above, the reset keeps it; below, nothing does.
    (found,) = ranges(tiny(cells(1, vth=50, dv=0), np.array([[2, 4]])), 1, None)
    assert found.v == (0, (50 << 6) + (6 << 6)) and found.never_overflows


def test_other_kinds_of_neurons_are_refused_by_name() -> None:
    class Odd(GridNeuron):
        pass

    network = small_network()
    odd = Odd(**vars(network.nodes["lif1"]))
    with pytest.raises(UnsupportedError, match="lif1: a Odd"):
        ranges(network.replace(nodes={**network.nodes, "lif1": odd}), 1, None)
