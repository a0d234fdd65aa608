"""Three networks for the fourth list: pools with groups and a dilation, forks that meet, loops with a soft reset."""

from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.second.networks import Array, cells, even, network_of
from deploy.network import Conv, Delay, Dense, Flatten, GridNeuron, Input, Network, Node, Output, SumPool

STEPS, RECORDINGS = 15, 10


def channels(rng: np.random.Generator, *shape: int, **ranges: tuple[int, int]) -> GridNeuron:
    """Neurons whose parameters differ between channels, each drawn from its range."""
    drawn: dict[str, Any] = {name: rng.integers(*of, (shape[0], 1, 1)) for name, of in ranges.items()}
    return GridNeuron(shape=shape, **{"du": np.array(4095), **drawn})


def pooled() -> Network:
    """Two sum poolings, the second with windows that overlap; a convolution in two groups, dilated; a readout."""
    rng = np.random.default_rng(41)
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 12, 8)),
        "stem": Conv(weight=even(rng, 8, 2, 3, 3), padding=(1, 1)),
        "s1": channels(rng, 8, 12, 8, vth=(240, 420), dv=(500, 501), bias=(-900, 700)),
        "pool1": SumPool(kernel=(2, 2), stride=(2, 2)),
        "mix": Conv(weight=even(rng, 12, 4, 3, 3), padding=(2, 1), dilation=(2, 1), groups=2),
        "s2": channels(rng, 12, 6, 4, vth=(300, 800), dv=(200, 1800), bias=(-600, 900)),
        "pool2": SumPool(kernel=(3, 3), stride=(2, 2), padding=(1, 1)),
        "flatten": Flatten(),
        "fc1": Dense(weight=even(rng, 32, 72), weight_exp=-1),
        "s3": cells(32, vth=1500, dv=0, bias=rng.integers(-500, 700, 32)),
        "fc2": Dense(weight=even(rng, 7, 32)),
        "readout": cells(7, vth=None, dv=300, bias=rng.integers(-200, 200, 7)),
        "output": Output(),
    }
    return network_of(nodes, tuple(pairwise(nodes)))


def forks() -> Network:
    """Two paths of strided convolutions, one late by two steps, meet over another delay; currents decay everywhere."""
    rng = np.random.default_rng(42)
    decays: dict[str, tuple[int, int]] = {"dv": (200, 1400), "du": (900, 3600), "bias": (-400, 500)}
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 8, 8)),
        "c0": Conv(weight=even(rng, 6, 2, 3, 3), padding=(1, 1)),
        "s0": channels(rng, 6, 8, 8, vth=(260, 380), **decays),
        "ca": Conv(weight=even(rng, 8, 6, 3, 3), stride=(2, 2), padding=(1, 1)),
        "a": channels(rng, 8, 4, 4, vth=(350, 600), **decays),
        "wait2": Delay(steps=2),
        "cb": Conv(weight=even(rng, 8, 6, 5, 5), stride=(2, 2), padding=(2, 2), weight_exp=-1),
        "b": channels(rng, 8, 4, 4, vth=(400, 600), **decays),
        "wait1": Delay(steps=1),
        "ja": Conv(weight=even(rng, 10, 8, 1, 1)),
        "jb": Conv(weight=even(rng, 10, 8, 1, 1), weight_exp=1),
        "m": channels(rng, 10, 4, 4, vth=(300, 500), **decays),
        "pool": SumPool(kernel=(2, 2), stride=(2, 2)),
        "flatten": Flatten(),
        "fc": Dense(weight=even(rng, 6, 40)),
        "last": cells(6, vth=500, dv=250, bias=rng.integers(-200, 600, 6)),
        "output": Output(),
    }
    end = ("m", "pool", "flatten", "fc", "last", "output")
    first = ("input", "c0", "s0", "ca", "a", "ja")
    second = ("s0", "wait2", "cb", "b", "wait1", "jb", "m")
    return network_of(nodes, (*pairwise((*first, *end)), *pairwise(second)))


def loop() -> Network:
    """A layer that feeds itself late, one that inhibits it, one with a soft reset that feeds back; a leaky readout."""
    rng = np.random.default_rng(43)
    soft = cells(24, vth=380, dv=300, du=2700, bias=rng.integers(-300, 500, 24))
    nodes: dict[str, Node] = {
        "input": Input(shape=(20,)),
        "win": Dense(weight=even(rng, 36, 20)),
        "x": cells(36, vth=280, dv=601, bias=rng.integers(-500, 800, 36)),
        "hold": Delay(steps=1),
        "wx": Dense(weight=even(rng, 36, 36), weight_exp=-1),
        "wi": Dense(weight=even(rng, 16, 36)),
        "i": cells(16, vth=500, dv=1200, bias=rng.integers(-400, 400, 16)),
        "wb": Dense(weight=-abs(even(rng, 36, 16)), weight_exp=-1),
        "wy": Dense(weight=even(rng, 24, 36)),
        "y": GridNeuron(**{**vars(soft), "reset_mechanism": "subtract"}),
        "wf": Dense(weight=even(rng, 36, 24), weight_exp=-1),
        "wo": Dense(weight=even(rng, 5, 24)),
        "readout": cells(5, vth=None, dv=150, du=2200, bias=rng.integers(-90, 90, 5)),
        "output": Output(),
    }
    line = ("input", "win", "x", "wy", "y", "wo", "readout", "output")
    back = (*pairwise(("x", "hold", "wx", "x")), *pairwise(("x", "wi", "i", "wb", "x")), *pairwise(("y", "wf", "x")))
    return network_of(nodes, (*pairwise(line), *back))


def frames_for(network: Network) -> Array:
    """Ever more events as a recording goes on, with counts to 5; the odd recordings have half as many."""
    rng = np.random.default_rng(44)
    shape = (RECORDINGS, STEPS, *network.input_shape)
    ones = [1] * len(network.input_shape)
    rate = np.linspace(0.12, 0.4, STEPS).reshape(1, STEPS, *ones)
    rate = rate / np.where(np.arange(RECORDINGS) % 2, 2, 1).reshape(-1, 1, *ones)
    counts = rng.choice([1, 1, 1, 2, 2, 3, 4, 5], shape)
    return ((rng.random(shape) < rate) * counts).astype(np.uint8)


NETWORKS = {"pooled": pooled, "forks": forks, "loop": loop}
