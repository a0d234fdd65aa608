"""The fourth list, runs: what happens to weights, maps, and spikes on their way."""

import numpy as np

from benchmarks.fourth import slips as f
from benchmarks.second import slips as s
from benchmarks.second.simulator import Slip
from benchmarks.second.slips import node, only, weights
from benchmarks.third.runs import fault
from benchmarks.third.slips import thinned

P, F, L = "pooled", "forks", "loop"
DRAWN = "drawn"
rng = np.random.default_rng(46)
axon, other = (int(i) for i in rng.choice(36, 2, replace=False))
key, match = (int(i) for i in rng.choice(36, 2, replace=False))
lossy, doubled = int(rng.integers(8)), int(rng.integers(6))

WEIGHTS = [
    fault(
        "sign and magnitude read as two's complement",
        L,
        "1bit-MONSTER pull request 572, another encoding",
        "x",
        (weights("win", f.two_complement), "weight", ("win",)),
    ),
    fault(
        "the second of two packed weights first",
        F,
        "1bit-MONSTER pull request 572, order of nibbles",
        "a",
        (weights("ca", f.nibbles), "weight|pair|exchang", ("ca",)),
    ),
    fault(
        "stale weights on one core",
        F,
        DRAWN,
        "m",
        (weights("ja", f.stale(slice(5, 10), 47)), "weight", ("ja",)),
    ),
    fault(
        "two axons exchanged",
        L,
        DRAWN,
        "x",
        (weights("wx", f.exchanged(1, axon, other)), "input|weight|exchang|swap", ("wx", "hold")),
    ),
    fault(
        "input channels one on",
        F,
        DRAWN,
        "b",
        (weights("cb", f.rolled(1)), "channel|roll|shift|input|weight", ("cb", "wait2")),
    ),
    fault(
        "sums saturate weight by weight",
        L,
        "sPyNNaker issue 316, ring buffers that saturate at each weight",
        "y",
        (Slip(gives=f.saturating(128), mask=s.layers("wy")), "saturat|clip|limit", ("wy", "y")),
    ),
]
MAPS = [
    fault(
        "a dilation not read",
        P,
        "netscope pull request 11; tensorflow-onnx issue 1434",
        "s2",
        (Slip(read=node("mix", dilation=lambda _: (1, 1), padding=lambda _: (1, 1))), "dilat|padding", ("mix",)),
    ),
    fault(
        "groups get each other's channels",
        P,
        "tensorflow-onnx issue 1434, groups",
        "s2",
        (
            Slip(into=f.groups_exchanged, mask=s.layers("mix")),
            "group|channel|half|roll|exchang|order|input",
            ("mix", "pool1", "s1"),
        ),
    ),
    fault(
        "sums of a pool lose a bit",
        P,
        "drawn, averages by a shift",
        "s2",
        (Slip(into=f.rounded_down(1), mask=s.layers("mix")), "bit|round|even", ("mix", "pool1", "s1")),
    ),
    fault(
        "padding repeats the edge",
        P,
        "drawn, padding modes",
        "s1",
        (Slip(gives=f.edges_repeated, mask=s.layers("stem")), "padding|edge|border|repeat", ("stem", "input")),
    ),
    fault(
        "two cores without each other's rows",
        P,
        "drawn, halos",
        "s1",
        (Slip(gives=f.halo_lost(6), mask=s.layers("stem")), "row|halo|boundary|core", ("stem", "s1", "input")),
    ),
]
SPIKES = [
    fault(
        "a delay a step longer",
        F,
        "sPyNNaker issue 37",
        "b",
        (Slip(read=node("wait2", steps=lambda n: n + 1)), "delay|late", ("wait2", "cb")),
    ),
    fault(
        "every layer reads the step before",
        L,
        "drawn, layers stepped in reverse order",
        "y",
        (Slip(into=s.late, mask=s.layers("wy", "wi", "wo")), "late|delay|step before", ("wi", "i", "wy", "y", "x")),
    ),
    fault(
        "a channel arrives twice on one path",
        F,
        "spinnaker routing, duplicate packets; drawn",
        "a",
        (
            Slip(into=f.times(2), mask=only("ca", doubled)),
            "twice|double|times 2|multipl|weight|duplic",
            ("ca", "s0"),
        ),
    ),
    fault(
        "a fifth of a channel lost in two recordings",
        P,
        "sPyNNaker issue 27",
        "s2",
        (Slip(sends=thinned(0.2), mask=only("s1", lossy, recordings=(3, 6))), "random|lost", ("s1", "pool1", "mix")),
    ),
    fault(
        "a key also matches another's entry",
        L,
        "drawn, masks of routing keys",
        "y",
        (Slip(into=f.also_as(key, match), mask=s.layers("wy")), "weight|input|also|neuron", ("wy", "x")),
    ),
    fault(
        "one spike in twenty arrives twice",
        L,
        "open-ephys issue 60, spikes twice; drawn",
        "y",
        (Slip(into=f.twice_at_random(0.05), mask=s.layers("wy")), "random|twice|duplic|extra", ("wy", "x")),
    ),
    fault(
        "one core's spikes a step late",
        P,
        "sPyNNaker8 issue 285, one core on another step",
        "s3",
        (Slip(into=s.late, mask=only("fc1", slice(36, 72))), "late|delay", ("fc1", "pool2", "s2")),
    ),
]
PATHS = [*WEIGHTS, *MAPS, *SPIKES]
