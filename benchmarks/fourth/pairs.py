"""The fourth list, runs: two mistakes and three at once."""

from benchmarks.fourth import slips as f
from benchmarks.fourth.ends import FIRST
from benchmarks.fourth.neurons import decays_exchanged, one_for_all
from benchmarks.second import slips as s
from benchmarks.second.simulator import Slip
from benchmarks.second.slips import frames_of, in_recording, node, only, weights, written
from benchmarks.third.runs import cell, fault, flip

P, F, L = "pooled", "forks", "loop"
SOURCE = "drawn from the rows above"

PAIRS = [
    fault(
        "counts wrap, and one threshold for all",
        P,
        SOURCE,
        None,
        (frames_of(f.wrapped_counts(2)), "count|wrap|bits", FIRST),
        (Slip(read=node("s2", vth=one_for_all)), "vth|threshold", ("s2",)),
    ),
    fault(
        "decays exchanged, and a longer delay",
        F,
        SOURCE,
        "a",
        (Slip(read=decays_exchanged("a")), r"\bdu\b|\bdv\b|decay", ("a",)),
        (Slip(read=node("wait2", steps=lambda n: n + 1)), "delay|late", ("wait2", "cb")),
    ),
    fault(
        "two's complement, and a hard reset",
        L,
        SOURCE,
        "x",
        (weights("win", f.two_complement), "weight", ("win",)),
        (Slip(read=node("y", reset_mechanism=lambda _: "zero")), "reset", ("y",)),
    ),
    fault(
        "halos lost, and biases a bit short",
        P,
        SOURCE,
        "s1",
        (Slip(gives=f.halo_lost(4), mask=s.layers("stem")), "row|halo|boundary|core", ("stem", "s1", "input")),
        (Slip(read=node("s3", bias=lambda b: b >> 1)), "bias", ("s3",)),
    ),
    fault(
        "currents survive, and a bit of a weight",
        F,
        SOURCE,
        "s0",
        (Slip(start=f.current_kept, mask=only("s0")), "kept|keep|not reset|survive", ("s0",)),
        (weights("ja", flip((3, 6, 0, 0), 5)), "weight", ("ja",)),
    ),
    fault(
        "a refractory core, and two axons exchanged",
        L,
        SOURCE,
        "y",
        (cell(only("x", slice(0, 18)), refractory=1), "silent|refractory", ("x",)),
        (weights("wy", f.exchanged(1, 4, 30)), "input|weight|exchang|swap", ("wy", "x")),
    ),
    fault(
        "edges repeated in one recording's input, a class without leak",
        P,
        SOURCE,
        "s1",
        (frames_of(in_recording(f.column_on, 3)), "column|shift|moved|pixel", FIRST),
        (cell(only("readout", 2), no_leak=True), r"leak|\bdv\b|not decay", ("readout",)),
    ),
    fault(
        "packed weights, and a spike at equality",
        F,
        SOURCE,
        "s0",
        (weights("cb", f.nibbles), "weight|pair|exchang", ("cb",)),
        (cell(only("s0"), at_equal=True), ">=|equal", ("s0",)),
    ),
    fault(
        "a layer recorded late, and a threshold of one neuron",
        L,
        SOURCE,
        None,
        (written("i", f.recorded_late), "record|written", ("i",)),
        (cell(only("y", 11), vth_add=64 * 120), "vth|threshold", ("y",)),
    ),
    fault(
        "reset to a value, and the leak rounded",
        F,
        SOURCE,
        None,
        (cell(only("b"), reset_to=-3000), "reset", ("b",)),
        (cell(only("m"), rounding="taken"), "round|away", ("m",)),
    ),
    fault(
        "no delay in the loop, and a recording backwards",
        L,
        SOURCE,
        "x",
        (Slip(read=node("hold", steps=lambda _: 2)), "delay|late", ("hold", "wx")),
        (frames_of(in_recording(f.backwards, 7)), "revers|backward|order|mirror", FIRST),
    ),
    fault(
        "biases short, a dilation not read, two classes exchanged",
        P,
        SOURCE,
        "s1",
        (Slip(read=node("s1", bias=lambda b: b >> 1)), "bias", ("s1",)),
        (Slip(read=node("mix", dilation=lambda _: (1, 1), padding=lambda _: (1, 1))), "dilat|padding", ("mix",)),
        (weights("fc2", f.exchanged(0, 1, 5)), "exchang|swap|weight", ("fc2", "readout")),
    ),
]
