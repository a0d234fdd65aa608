"""The fifth list: two mistakes at once, in two layers, or in a layer and in what is recorded of it."""

import numpy as np

from benchmarks.fifth import slips as f
from benchmarks.fifth import words as w
from benchmarks.fifth.alone import FRAMES, D, R, S
from benchmarks.second.simulator import Slip
from benchmarks.second.slips import Fault, frames_of, in_recording, node, only, weights, written

Says = tuple[str, tuple[str, ...]]


def pair(name: str, on: str, one: tuple[Slip, Says], other: tuple[Slip, Says], layer: str | None, source: str) -> Fault:
    return Fault(name=name, on=on, slips=(one[0], other[0]), says=(one[1], other[1]), layer=layer, source=source)


def says(pattern: str, *where: str) -> Says:
    return pattern, where


PAIRS = [
    pair(
        "subtract and zero exchanged",
        R,
        (Slip(cell={"reset": "subtract"}, mask=f.of_layers("rec")), says(w.SUBTRACT, "rec")),
        (Slip(cell={"reset": "zero"}, mask=f.of_layers("hid")), says(w.HARD, "hid")),
        "rec",
        "jeshraghian/snntorch#379: both mechanisms did what the other should",
    ),
    pair(
        "no reset, and a lost exponent behind it",
        D,
        (Slip(cell={"reset": "none"}, mask=f.of_layers("d4")), says(w.NO_RESET, "d4")),
        (Slip(read=node("w7", weight_exp=lambda _: 0)), says(w.SHIFT, "w7")),
        "d4",
        "jeshraghian/snntorch#413: spk - threshold where spk * threshold was meant",
    ),
    pair(
        "a bias that wraps, and delays a step short",
        D,
        (Slip(cell={"bias_wraps": 11}, mask=f.of_layers("d4")), says(w.BIAS, "d4")),
        (Slip(read=node("wait3", steps=lambda steps: steps - 1)), says(w.DELAY, "wait3")),
        "d4",
        "lava-nc/lava#329: the effective bias turns negative; sPyNNaker#37: delays a tick short",
    ),
    pair(
        "thresholds and leaks of two layers calibrated badly",
        R,
        (
            Slip(read=node("rec", vth=f.moved_by(62, 50, 38, slice(20, 30)))),
            says(w.THRESHOLD, "rec"),
        ),
        (Slip(read=node("hid", dv=f.moved_by(63, 90, 20, slice(0, 10)))), says(w.LEAK, "hid")),
        "rec",
        "BrainScaleS-2: calibration of thresholds and time constants",
    ),
    pair(
        "a potential to begin with, and a floor",
        R,
        (Slip(start=f.always(6000), mask=f.of_layers("hid")), says(w.START, "hid")),
        (Slip(cell={"v_floor": -9000}, mask=f.of_layers("out")), says(w.FLOOR, "out")),
        "hid",
        "PyNN initialize(v=...) and a resting potential that differ; nengo-loihi vmin",
    ),
    pair(
        "a projection without weights, and interleaved channels",
        S,
        (weights("short", lambda weight: 0 * weight), says(w.ZERO, "short")),
        (weights("c4", f.interleaved()), says(w.ORDER, "c4")),
        "s3",
        "SpiNNakerManchester/sPyNNaker#740: weights are zero everywhere; cornell-zhang/bnn-fpga#22: filters reordered",
    ),
    pair(
        "two delays shorter by two steps",
        D,
        (Slip(read=node("wait2", steps=lambda _: 0)), says(w.DELAY, "wait2")),
        (Slip(read=node("wait3", steps=lambda _: 1)), says(w.DELAY, "wait3")),
        "d4",
        "brainpy/BrainPy#709: a delay is relu(delay - 2)",
    ),
    pair(
        "a delay clipped, and kernels upside down",
        D,
        (Slip(read=node("wait3", steps=lambda _: 2)), says(w.DELAY, "wait3")),
        (weights("k2", lambda weight: weight[..., ::-1]), says(w.FLIPPED, "k2")),
        "d2",
        "lava-nc/lava-dl#226: Netx clips delays",
    ),
    pair(
        "a recorder of potentials a step late, and neurons that rest",
        R,
        (f.written_kind("rec", ("u", "v"), f.a_step_late), says(w.LATE, "rec")),
        (Slip(cell={"refractory": 2}, mask=f.of_layers("out")), says(w.AGAIN, "out")),
        "rec",
        "brian-team/brian2#1253: a StateMonitor records the beginning of a step; nest#547",
    ),
    pair(
        "an index moved in the record, and a threshold scaled",
        R,
        (written("out", lambda a: np.roll(a, 3, axis=-1)), says(w.ORDER, "out")),
        (Slip(read=node("hid", vth=lambda vth: vth * 5 // 4)), says(w.THRESHOLD, "hid")),
        "hid",
        "brian-team/brian2#830: a monitor of a subgroup; jeshraghian/snntorch#435: the threshold scaled by w_in",
    ),
    pair(
        "a current that saturates, in three channels, and a bias lost",
        S,
        (Slip(cell={"u_bits": 15, "u_saturates": True}, mask=only("s3", slice(2, 5))), says(w.LIMIT, "s3")),
        (Slip(read=node("s4", bias=lambda bias: 0 * bias)), says(w.BIAS, "s4")),
        "s3",
        "nengo/nengo-loihi#106: U is clipped; a converter without biases (snn_toolbox#48)",
    ),
    pair(
        "frames a step late in one recording, and small weights lost",
        D,
        (
            frames_of(in_recording(f.a_step_late, 3)),
            says(w.LATE, *FRAMES),
        ),
        (weights("w6", f.small_lost(24)), says(w.SMALL, "w6")),
        None,
        "fzenke/spytorch#10: a step too many at the start; sPyNNaker#745",
    ),
    pair(
        "kept state in one layer, a threshold at equality in another",
        D,
        (Slip(start=lambda now, u, v: (u, v), mask=f.of_layers("d5")), says(w.CARRIED, "d5")),
        (Slip(cell={"at_equal": True}, mask=f.of_layers("d3")), says(w.EQUAL, "d3")),
        "d3",
        "synsense/sinabs reset_states, and NEST's V_m >= V_th",
    ),
]
