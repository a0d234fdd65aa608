"""The fourth list, runs: what happens in neurons, and to their state and parameters."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.fourth import slips as f
from benchmarks.second import slips as s
from benchmarks.second.simulator import Array, Slip
from benchmarks.second.slips import node, only
from benchmarks.third.runs import cell, fault
from deploy.network import Network

P, F, L = "pooled", "forks", "loop"
DRAWN = "drawn"
SOFT = "SoftSNN, DAC 2022 (arXiv:2203.05523), bit flips in memories"
rng = np.random.default_rng(52)


def one_for_all(values: Array) -> Array:
    return np.full_like(values, values.flat[0])


def decays_exchanged(name: str) -> Callable[[Network], Network]:
    def read(network: Network) -> Network:
        old: Any = network.nodes[name]
        return node(name, du=lambda _: old.dv, dv=lambda _: old.du)(network)

    return read


neuron = tuple(int(rng.integers(n)) for n in (12, 6, 4))
channel = int(rng.integers(8))
rng = np.random.default_rng(68)  # The first one from 60 on whose upset shows in a spike.
upset = tuple(int(rng.integers(n)) for n in (10, 4, 4))
recording, step = int(rng.integers(2, 9)), int(rng.integers(3, 12))

NEURONS = [
    fault(
        "potentials wrap at 17 bits",
        P,
        "tensil pull request 64, accumulators that wrap",
        "s1",
        (cell(only("s1"), v_bits=17, v_wraps=True), "wrap|overflow|bits", ("s1",)),
    ),
    fault(
        "the leak is rounded, not what is left",
        F,
        DRAWN,
        "s0",
        (Slip(cell={"rounding": "taken"}), "round|away", ("s0", "a", "b", "m", "last")),
    ),
    fault(
        "decays of current and potential exchanged",
        F,
        DRAWN,
        "m",
        (Slip(read=decays_exchanged("m")), r"\bdu\b|\bdv\b|decay", ("m",)),
    ),
    fault(
        "one threshold for all channels",
        P,
        "CHaiDNN issue 108, a threshold a map or a layer",
        "s2",
        (Slip(read=node("s2", vth=one_for_all)), "vth|threshold", ("s2",)),
    ),
    fault("biases a bit short", P, DRAWN, "s1", (Slip(read=node("s1", bias=lambda b: b >> 1)), "bias", ("s1",))),
    fault(
        "decays of eight bits",
        L,
        DRAWN,
        "x",
        (Slip(read=node("x", dv=lambda d: d >> 4 << 4)), r"\bdv\b|leak|decay", ("x",)),
    ),
    fault(
        "a hard reset for a soft one",
        L,
        "NIR pull request 63, reset by subtraction or to a value",
        "y",
        (Slip(read=node("y", reset_mechanism=lambda _: "zero")), "reset", ("y",)),
    ),
    fault(
        "one channel is reset to another value",
        F,
        "NIR pull request 129, v_reset",
        "b",
        (cell(only("b", channel), reset_to=2000), "reset", ("b",)),
    ),
    fault(
        "refractory counters of one channel begin full",
        P,
        DRAWN,
        "s1",
        (cell(only("s1", 5, steps=slice(0, 3)), refractory=10**7), "silent|refractory", ("s1",)),
    ),
    fault(
        "no bias in the first step, on one core",
        L,
        DRAWN,
        "x",
        (cell(only("x", slice(18, 36), steps=slice(0, 1)), bias_times=0), "bias", ("x",)),
    ),
    fault(
        "silent for two steps on one core, potential held",
        L,
        "BindsNET issue 137; NEST issue 547",
        "x",
        (cell(only("x", slice(18, 36)), refractory=2, integrates=False), "silent|refractory|held", ("x",)),
    ),
    fault(
        "a bit of one potential stuck at 1",
        P,
        SOFT,
        "s2",
        (cell(only("s2", neuron), v_or=1 << 14), "bit|stuck", ("s2",)),
    ),
    fault(
        "one upset of one bit",
        F,
        SOFT,
        "m",
        (
            cell(only("m", upset, steps=slice(step, step + 1), recordings=(recording,)), v_xor=1 << 14),
            "bit|upset|flip",
            ("m",),
        ),
    ),
    fault(
        "currents survive on one core",
        F,
        "snnTorch pull request 108; SpikingJelly issue 594",
        "a",
        (Slip(start=f.current_kept, mask=only("a", slice(4, 8))), "kept|keep|not reset|survive", ("a",)),
    ),
    fault(
        "half of a potential survives",
        L,
        "SpikingJelly issue 536, residual potentials",
        "x",
        (Slip(start=f.half_kept, mask=only("x")), "kept|keep|not reset|survive|half|left", ("x",)),
    ),
    fault(
        "the state of one recording enters the next",
        P,
        "GeNN issue 105",
        "s1",
        (Slip(start=s.kept_start, mask=only("s1", recordings=(6,))), "kept|keep|not reset|state", ("s1",)),
    ),
]
