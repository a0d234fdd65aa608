"""Three networks for the third list: strides and a pooling, skips with decaying currents, loops."""

from itertools import pairwise

import numpy as np

from benchmarks.second.networks import Array, cells, even, network_of
from deploy.network import Conv, Delay, Dense, Flatten, GridNeuron, Input, Network, Node, Output, SumPool

STEPS, RECORDINGS = 16, 9


def strided() -> Network:
    """A field of 10 x 6, a kernel of 3 x 5, a pooling; integrators in the middle, a classifier that spikes."""
    rng = np.random.default_rng(31)
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 10, 6)),
        "stem": Conv(weight=even(rng, 10, 2, 3, 5), stride=(2, 1), padding=(1, 2)),
        "soma1": cells(10, 5, 6, vth=330, dv=900, bias=rng.integers(-900, 500, (10, 1, 1))),
        "pool": SumPool(kernel=(2, 2), stride=(2, 2)),
        "mix": Conv(weight=even(rng, 14, 10, 1, 1), weight_exp=1),
        "soma2": cells(14, 2, 3, vth=900, dv=0, bias=64 * rng.integers(-9, 9, (14, 1, 1))),
        "flatten": Flatten(),
        "dense": Dense(weight=even(rng, 40, 84)),
        "soma3": cells(40, vth=400, dv=300, bias=rng.integers(-600, 600, 40)),
        "vote": Dense(weight=even(rng, 6, 40)),
        "classes": cells(6, vth=300, dv=200, bias=rng.integers(-100, 500, 6)),
        "output": Output(),
    }
    return network_of(nodes, tuple(pairwise(nodes)))


def skips() -> Network:
    """Two skips over three convolutions, by 1 and by 3 steps; decays of each channel; a readout that leaks."""
    rng = np.random.default_rng(32)

    def neurons(vth: int, dv: tuple[int, int], du: tuple[int, int]) -> GridNeuron:
        of = [rng.integers(low, high, (8, 1, 1)) for low, high in (dv, du, (-500, 400))]
        return GridNeuron(shape=(8, 6, 8), dv=of[0], du=of[1], vth=np.array(vth), bias=of[2])

    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 6, 8)),
        "c1": Conv(weight=even(rng, 8, 2, 3, 3), padding=(1, 1)),
        "n1": neurons(280, (200, 1200), (1000, 3000)),
        "c2": Conv(weight=even(rng, 8, 8, 3, 3), padding=(1, 1), weight_exp=-1),
        "n2": neurons(300, (300, 900), (1500, 4000)),
        "c3": Conv(weight=even(rng, 8, 8, 3, 3), padding=(1, 1)),
        "wait3": Delay(steps=3),
        "far": Conv(weight=even(rng, 8, 8, 1, 1), weight_exp=1),
        "wait1": Delay(steps=1),
        "near": Conv(weight=even(rng, 8, 8, 1, 1)),
        "n3": neurons(1200, (100, 900), (900, 2600)),
        "flatten": Flatten(),
        "sum": Dense(weight=even(rng, 8, 384), weight_exp=-1),
        "readout": cells(8, vth=None, dv=700, du=2000, bias=rng.integers(-200, 200, 8)),
        "output": Output(),
    }
    chain = ("input", "c1", "n1", "c2", "n2", "c3", "n3", "flatten", "sum", "readout", "output")
    edges = (*pairwise(chain), *pairwise(("n1", "wait3", "far", "n3")), *pairwise(("n2", "wait1", "near", "n3")))
    return network_of(nodes, edges)


def loops() -> Network:
    """Two dense layers that each feed themselves, the second one the first as well; currents decay in the second."""
    rng = np.random.default_rng(33)
    nodes: dict[str, Node] = {
        "input": Input(shape=(24,)),
        "in1": Dense(weight=even(rng, 40, 24)),
        "a": cells(40, vth=300, dv=600, bias=rng.integers(-500, 700, 40)),
        "self_a": Dense(weight=even(rng, 40, 40), weight_exp=-1),
        "in2": Dense(weight=even(rng, 30, 40)),
        "b": cells(30, vth=420, dv=400, du=2500, bias=rng.integers(-400, 500, 30)),
        "self_b": Dense(weight=even(rng, 30, 30), weight_exp=-2),
        "down": Dense(weight=even(rng, 40, 30), weight_exp=-1),
        "in3": Dense(weight=even(rng, 5, 30)),
        "readout": cells(5, vth=None, dv=0, bias=rng.integers(-90, 90, 5)),
        "output": Output(),
    }
    line = ("input", "in1", "a", "in2", "b", "in3", "readout", "output")
    back = (("a", "self_a"), ("self_a", "a"), ("b", "self_b"), ("self_b", "b"), ("b", "down"), ("down", "a"))
    return network_of(nodes, (*pairwise(line), *back))


def frames_for(network: Network) -> Array:
    """A quarter of events with counts to 3, in bursts: every fourth step is nearly empty, the first two are full."""
    rng = np.random.default_rng(34)
    shape = (RECORDINGS, STEPS, *network.input_shape)
    rate = np.full(STEPS, 0.28)
    rate[:2], rate[3::4] = 0.45, 0.06
    events = rng.random(shape) < rate.reshape(1, STEPS, *[1] * len(network.input_shape))
    return (events * rng.integers(1, 4, shape)).astype(np.uint8)


NETWORKS = {"strided": strided, "skips": skips, "loops": loops}
