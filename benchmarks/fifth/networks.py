"""Three networks for the fifth list: spikes added before a pool, two recurrent layers, a deep chain full of delays."""

from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.second.networks import Array, cells, even, network_of
from deploy.network import Conv, Delay, Dense, Flatten, GridNeuron, Input, Network, Node, Output, SumPool

STEPS, RECORDINGS = 16, 8


def own(rng: np.random.Generator, *shape: int, reset: Any = "zero", **ranges: tuple[int, int]) -> GridNeuron:
    """Neurons each of which has parameters of its own, drawn from their ranges."""
    drawn: dict[str, Any] = {name: rng.integers(*of, shape) for name, of in ranges.items()}
    return GridNeuron(shape=shape, reset_mechanism=reset, **drawn)


def residual() -> Network:
    """Spikes of two layers are added and pooled, a depthwise convolution, a 1 x 1 path that meets it, a readout."""
    rng = np.random.default_rng(51)
    leaks: Any = rng.integers(150, 1500, (8, 1, 1))
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 10, 10)),
        "c1": Conv(weight=even(rng, 8, 2, 3, 3), padding=(1, 1)),
        "s1": cells(8, 10, 10, vth=230, dv=leaks, bias=rng.integers(-500, 500, (8, 1, 1))),
        "c2": Conv(weight=even(rng, 8, 8, 3, 3), padding=(1, 1), weight_exp=-1),
        "s2": cells(8, 10, 10, vth=260, dv=700, bias=rng.integers(-500, 700, (8, 1, 1))),
        "pool": SumPool(kernel=(2, 2), stride=(2, 2)),
        "dw": Conv(weight=even(rng, 8, 1, 3, 3), padding=(1, 1), groups=8, weight_exp=-1),
        "short": Conv(weight=even(rng, 8, 8, 2, 2), stride=(2, 2), weight_exp=-1),
        "s3": cells(8, 5, 5, vth=330, dv=900, du=2400, bias=rng.integers(-300, 500, (8, 1, 1))),
        "c4": Conv(weight=even(rng, 12, 8, 3, 3), stride=(2, 2), padding=(1, 1)),
        "s4": cells(12, 3, 3, vth=500, dv=300, bias=rng.integers(-600, 900, (12, 1, 1))),
        "flatten": Flatten(),
        "fc": Dense(weight=even(rng, 6, 108)),
        "readout": cells(6, vth=None, dv=200, bias=rng.integers(-200, 200, 6)),
        "output": Output(),
    }
    line = ("input", "c1", "s1", "c2", "s2", "pool", "dw", "s3", "c4", "s4", "flatten", "fc", "readout", "output")
    return network_of(nodes, (*pairwise(line), ("s1", "pool"), *pairwise(("s1", "short", "s3"))))


def recurrent() -> Network:
    """As the NIR paper's reader of Braille: a recurrent layer with currents, then one whose loop waits; spikes vote."""
    rng = np.random.default_rng(52)
    nodes: dict[str, Node] = {
        "input": Input(shape=(12,)),
        "fc1": Dense(weight=even(rng, 38, 12)),
        "rec": own(rng, 38, vth=(280, 420), dv=(200, 1200), du=(1500, 3800), bias=(-400, 900)),
        "fcr": Dense(weight=even(rng, 38, 38), weight_exp=-1),
        "fc2": Dense(weight=even(rng, 20, 38)),
        "hid": own(rng, 20, reset="subtract", vth=(400, 700), dv=(100, 900), du=(2000, 3600), bias=(-300, 700)),
        "wait": Delay(steps=2),
        "fch": Dense(weight=even(rng, 20, 20)),
        "fc3": Dense(weight=even(rng, 7, 20)),
        "out": own(rng, 7, vth=(250, 400), dv=(100, 500), du=(4095, 4096), bias=(-100, 900)),
        "output": Output(),
    }
    line = ("input", "fc1", "rec", "fc2", "hid", "fc3", "out", "output")
    return network_of(
        nodes, (*pairwise(line), ("rec", "fcr"), ("fcr", "rec"), *pairwise(("hid", "wait", "fch", "hid")))
    )


def deep() -> Network:
    """Convolutions along a line, then dense layers, seven in all, with delays of 1, 2 and 3 steps between them."""
    rng = np.random.default_rng(53)
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 1, 24)),
        "k1": Conv(weight=even(rng, 6, 2, 1, 5), padding=(0, 2)),
        "d1": cells(6, 1, 24, vth=180, dv=500, bias=rng.integers(-300, 900, (6, 1, 1))),
        "wait1": Delay(steps=1),
        "k2": Conv(weight=even(rng, 8, 6, 1, 3), stride=(1, 2), padding=(0, 1)),
        "d2": cells(8, 1, 12, vth=260, dv=800, bias=rng.integers(-500, 900, (8, 1, 1))),
        "k3": Conv(weight=even(rng, 8, 4, 1, 3), padding=(0, 2), dilation=(1, 2), groups=2),
        "d3": cells(8, 1, 12, vth=220, dv=0, bias=64 * rng.integers(-6, 12, (8, 1, 1))),
        "flatten": Flatten(),
        "wait2": Delay(steps=2),
        "w4": Dense(weight=even(rng, 32, 96), weight_exp=-1),
        "d4": cells(32, vth=280, dv=600, bias=rng.integers(-700, 1500, 32)),
        "w5": Dense(weight=even(rng, 32, 32)),
        "d5": cells(32, vth=400, dv=1000, du=3000, bias=rng.integers(-300, 900, 32)),
        "wait3": Delay(steps=3),
        "w6": Dense(weight=even(rng, 24, 32)),
        "d6": cells(24, vth=350, dv=200, bias=rng.integers(-300, 900, 24)),
        "w7": Dense(weight=even(rng, 5, 24), weight_exp=1),
        "last": cells(5, vth=300, dv=100, bias=rng.integers(0, 1500, 5)),
        "output": Output(),
    }
    return network_of(nodes, tuple(pairwise(nodes)))


def frames_for(network: Network) -> Array:
    """A burst in each recording, at another step in each, over a background; counts to 3."""
    rng = np.random.default_rng(54)
    shape = (RECORDINGS, STEPS, *network.input_shape)
    ones = [1] * len(network.input_shape)
    steps, middles = np.arange(STEPS), 3 + np.arange(RECORDINGS).reshape(-1, 1)
    rate = 0.12 + 0.3 * np.exp(-(((steps - middles) / 3) ** 2)).reshape(RECORDINGS, STEPS, *ones)
    return ((rng.random(shape) < rate) * rng.choice([1, 1, 1, 2, 3], shape)).astype(np.uint8)


NETWORKS = {"residual": residual, "recurrent": recurrent, "deep": deep}
