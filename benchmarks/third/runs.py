"""The third list, runs: faults that tools and chips were reported to have, each with its source."""

from typing import Any

import numpy as np

from benchmarks.second import slips as s
from benchmarks.second.simulator import Array, Slip
from benchmarks.second.slips import Fault, in_recording, node, only, put, weights
from benchmarks.third import slips as t

S, K, L = "strided", "skips", "loops"
SOFT = "SoftSNN, DAC 2022 (arXiv:2203.05523), faulty operations of neurons"


def cell(mask: Any, **switches: object) -> Slip:
    return Slip(cell=dict(switches), mask=mask)


def fault(name: str, on: str, source: str, layer: str | None, *parts: tuple[Slip, str, tuple[str, ...]]) -> Fault:
    """Each part: what goes wrong, the words of a right cause, and where it may be placed."""
    return Fault(
        name=name,
        on=on,
        source=source,
        layer=layer,
        slips=tuple(slip for slip, _, _ in parts),
        says=tuple((says, where) for _, says, where in parts),
    )


def after(index: int) -> Any:
    def change(weight: Array) -> Array:
        weight = weight.copy()
        weight[:, index:] = 0
        return weight

    return change


def without(test: Any) -> Any:
    return lambda weight: np.where(test(np.abs(weight)), 0, weight)


def flip(index: tuple[int, ...], bit: int) -> Any:
    def change(weight: Array) -> Array:
        weight = weight.copy()
        weight[index] ^= 1 << bit
        return weight

    return change


def channel_off(weight: Array) -> Array:
    weight = weight.copy()
    weight[:, 4] = 0
    return weight


def jittered(weight: Array) -> Array:
    return weight + 2 * np.random.default_rng(77).integers(-1, 2, weight.shape)


def channels_last(weight: Array) -> Array:
    """Each output's weights, flattened (H, W, C) where (C, H, W) is meant."""
    return weight.reshape(-1, 14, 2, 3).transpose(0, 2, 3, 1).reshape(weight.shape)


def rolled_bias(bias: Array) -> Array:
    return np.roll(bias, 1, axis=0)


EVENTS = ("input", "stem", "c1", "in1")
FIRST = (*EVENTS, "soma1", "n1", "a")
CELLS = [
    fault(
        "the potential has a floor",
        S,
        "sinabs issue 236, min_v_mem",
        "soma2",
        (cell(only("soma2"), v_floor=-19200), "floor|below|lower|least|clip|-19.?200", ("soma2",)),
    ),
    fault(
        "currents saturate at 17 bits",
        K,
        "nengo-loihi issue 106",
        "n1",
        (Slip(cell={"u_bits": 17, "u_saturates": True}), "saturat|clip|bits", ("n1", "n2", "n3")),
    ),
    fault(
        "currents wrap at 17 bits in one layer",
        K,
        "nengo-loihi pull request 111",
        "n3",
        (cell(only("n3"), u_bits=17), "wrap|overflow|bits", ("n3",)),
    ),
    fault(
        "a spike clears the current too",
        L,
        "Brian 2 issue 943",
        "b",
        (cell(only("b"), u_resets=True), "current", ("b",)),
    ),
    fault(
        "the input leaks as well",
        S,
        "SpikingJelly, LIFNode(decay_input=True)",
        "soma3",
        (cell(only("soma3"), leak_last=True), "leak", ("soma3",)),
    ),
    fault(
        "a reset comes a step late",
        L,
        "snnTorch pull request 162",
        "a",
        (cell(only("a"), reset="late"), "late", ("a",)),
    ),
    fault(
        "a spike at equality",
        S,
        "Lava pull request 151",
        "soma2",
        (cell(only("soma2"), at_equal=True), ">=|equal", ("soma2",)),
    ),
    fault(
        "one channel subtracts its threshold",
        K,
        "snnTorch pull request 379",
        "n2",
        (cell(only("n2", 5), reset="subtract"), "subtract|takes the threshold off", ("n2",)),
    ),
    fault(
        "leaks round to nearest in one layer",
        K,
        "lava-dl pull request 78",
        "n3",
        (cell(only("n3"), rounding="nearest"), "round|nearest", ("n3",)),
    ),
    fault(
        "the decay of currents off by one",
        K,
        "lava-dl pull request 88, iDecay - 1",
        "n1",
        (Slip(cell={"du_plus": 0}), r"\bdu\b|decay", ("n1", "n2", "n3")),
    ),
    fault(
        "biases wrap at 9 bits",
        S,
        "Lava issue 329",
        "soma1",
        (cell(only("soma1"), bias_wraps=9), "bias", ("soma1",)),
    ),
    fault(
        "no reset in one channel",
        K,
        SOFT,
        "n1",
        (cell(only("n1", 2), reset="none"), "reset", ("n1",)),
    ),
    fault(
        "no leak in three neurons",
        K,
        SOFT,
        "n2",
        (cell(only("n2", (1, 2, slice(3, 6))), no_leak=True), r"leak|\bdv\b|not decay", ("n2",)),
    ),
    fault(
        "eight neurons dead from step 5",
        S,
        SOFT,
        "soma3",
        (Slip(emits=s.silent, mask=only("soma3", slice(8, 16), steps=slice(5, None))), "silent|dead", ("soma3",)),
    ),
    fault(
        "a saturated neuron",
        S,
        "Spyrou et al., DATE 2021, neuron fault tolerance",
        "soma2",
        (
            Slip(emits=lambda now, x, past: np.ones_like(x), mask=only("soma2", (3, 1, 1))),
            "always|every step|stuck",
            ("soma2",),
        ),
    ),
    fault(
        "half of a layer late by a step",
        K,
        "sPyNNaker issue 619",
        "n2",
        (Slip(sums=s.late_sums(), mask=only("n2", slice(4, None))), "late", ("n2", "c2")),
    ),
    fault(
        "potentials start at random",
        S,
        "sinabs issue 148",
        "soma2",
        (Slip(start=s.random_start, mask=only("soma2")), "start|begin|initial", ("soma2",)),
    ),
    fault(
        "potentials start above rest",
        K,
        "sPyNNaker pull request 422, v_init",
        "n1",
        (Slip(start=t.starts_at(3000), mask=only("n1")), "start|begin|initial", ("n1",)),
    ),
    fault(
        "half of a layer keeps its state",
        L,
        "sPyNNaker issue 603",
        "a",
        (Slip(start=s.kept_start, mask=only("a", slice(20, None))), "kept|keep|not reset|state", ("a",)),
    ),
]
SYNAPSES = [
    fault(
        "leaks of the first channel for all",
        K,
        "snnTorch issue 442",
        "n2",
        (Slip(read=node("n2", dv=lambda dv: np.full_like(dv, dv.flat[0]))), r"\bdv\b|leak", ("n2",)),
    ),
    fault(
        "small weights are 0",
        L,
        "sPyNNaker pull request 745",
        "b",
        (weights("in2", without(lambda w: w < 16)), "weight", ("in2",)),
    ),
    fault(
        "large weights are 0",
        L,
        "sPyNNaker8 issue 92",
        "a",
        (weights("self_a", without(lambda w: w > 80)), "weight", ("self_a",)),
    ),
    fault(
        "an exponent of weights ignored",
        S,
        "Lava issue 803",
        "soma2",
        (Slip(read=node("mix", weight_exp=lambda _: 0)), "weight_exp|exponent|factor|half", ("mix",)),
    ),
    fault(
        "weights rounded at random",
        S,
        "nengo-loihi issue 243",
        "soma3",
        (weights("dense", jittered), "weight", ("dense",)),
    ),
    fault(
        "no neuron feeds itself",
        L,
        "Norse pull request 178, autapses",
        "a",
        (weights("self_a", lambda w: w * (1 - np.eye(40, dtype=w.dtype))), "diagonal|itself|self|weight", ("self_a",)),
    ),
    fault(
        "a neuron feeds only itself",
        L,
        "snnTorch pull request 147, one-to-one",
        "b",
        (weights("self_b", lambda w: w * np.eye(30, dtype=w.dtype)), "diagonal|itself|one.to.one|weight", ("self_b",)),
    ),
    fault(
        "inputs after the 64th are lost",
        S,
        "sPyNNaker issue 75, rows of 255",
        "soma3",
        (weights("dense", after(64)), "weight|input", ("dense",)),
    ),
    fault(
        "a feedback of zeros",
        L,
        "sinabs issue 128",
        "a",
        (weights("down", np.zeros_like), "weight|nothing|missing|zero", ("down",)),
    ),
    fault(
        "sums wrap at 11 bits",
        S,
        "hls4ml pull request 68, AP_WRAP",
        "soma1",
        (Slip(sums=s.wrapped(11), mask=only("soma1")), "wrap|overflow|bits", ("soma1", "stem")),
    ),
    fault(
        "biases one channel on",
        S,
        "ai8x-synthesis pull request 152",
        "soma1",
        (Slip(read=node("soma1", bias=rolled_bias)), "bias", ("soma1",)),
    ),
    fault(
        "channels flattened last",
        S,
        "NIR pull request 59; Norse pull request 438",
        "soma3",
        (weights("dense", channels_last), "order|H, W, C|flatten", ("dense", "flatten")),
    ),
    fault(
        "one bit of one weight",
        L,
        "SoftSNN, DAC 2022 (arXiv:2203.05523), bit flips",
        "a",
        (weights("in1", flip((7, 3), 6)), "weight", ("in1",)),
    ),
    fault(
        "one input channel stuck at 0",
        K,
        "Vatajelu et al., VTS 2019, synapses stuck at 0",
        "n3",
        (weights("c3", channel_off), "weight|channel|input", ("c3",)),
    ),
    fault(
        "pooling begins a row later",
        S,
        "hls4ml issue 995",
        "soma2",
        (Slip(into=t.moved(-1, 1), mask=s.layers("pool")), "phase|row|shift|moved|padding|stride", ("pool", "mix")),
    ),
    fault(
        "padding before instead of around",
        S,
        "ONNX Runtime issue 9370",
        "soma1",
        (Slip(into=t.moved(1, 1), mask=s.layers("stem")), "padding|phase|row|shift|moved", ("stem", "input")),
    ),
]
PATHS = [
    fault(
        "recurrent spikes kept between recordings",
        L,
        "snnTorch issue 323",
        "a",
        (Slip(keeps_sent=True), "recurren|spikes.*(kept|last|before)|kept", ("a", "b", "self_a", "self_b", "down")),
    ),
    fault(
        "every delay is the first one's",
        K,
        "Brian2GeNN issue 49",
        "n3",
        (Slip(read=node("wait3", steps=lambda _: 1)), "delay|late|early", ("wait3", "far")),
    ),
    fault(
        "a queue emptied at step 8",
        K,
        "lava-dl pull request 169",
        "n3",
        (
            Slip(into=t.queue_lost("wait3", 8), mask=s.layers("wait3")),
            "queue|lost|delay|arrive|silent",
            ("wait3", "far"),
        ),
    ),
    fault(
        "a queue comes out in the next recording",
        K,
        "sPyNNaker issue 766",
        "n3",
        (t.queue_left("wait3", "far", 3), "kept|queue|left|previous|before", ("wait3", "far")),
    ),
    fault(
        "60 spikes a step pass a queue",
        K,
        "sPyNNaker issue 1045",
        "n3",
        (
            Slip(into=t.capped(60), mask=s.layers("wait3")),
            "at most|no more than|only the first|limit|60",
            ("wait3", "far"),
        ),
    ),
    fault(
        "spikes lost at random",
        L,
        "NEST issue 2052; sPyNNaker issue 27",
        "b",
        (Slip(into=t.thinned(0.1), mask=s.layers("in2")), "random|lost", ("in2", "a")),
    ),
    fault(
        "spikes lost in one recording for four steps",
        S,
        "NEST issue 1394",
        "soma2",
        (
            Slip(sends=s.silent, mask=only("soma1", recordings=(3,), steps=slice(6, 10))),
            "silent|lost|no spike|nothing",
            ("soma1", "pool", "mix"),
        ),
    ),
    fault(
        "no spikes in the first two steps",
        S,
        "cypress issue 1",
        "soma1",
        (Slip(emits=s.silent, mask=only("soma1", steps=slice(0, 2))), "silent|no spike|step", ("soma1",)),
    ),
    fault(
        "a pooled count of one",
        S,
        "NEST pull request 810, simultaneous spikes",
        "soma2",
        (Slip(into=t.at_most(1), mask=s.layers("mix")), "at most|cut|counts|more than|max", ("pool", "mix")),
    ),
    fault(
        "a spike recorded at the first step",
        L,
        "Brian 2 issue 1253",
        "b",
        (t.records("b", lambda a: np.where(_at(a, 0, slice(4, 7)), True, a["spikes"])), "record|written", ("b",)),
    ),
    fault(
        "the last step not recorded",
        K,
        "sPyNNaker8 issue 45",
        "n3",
        (t.records("n3", lambda a: np.where(_at(a, -1, slice(None)), False, a["spikes"])), "record|written", ("n3",)),
    ),
    fault(
        "four neurons lost on reading back",
        L,
        "sPyNNaker issue 154",
        "a",
        (
            t.records("a", lambda a: np.where(_at(a, slice(None), slice(5, 9)), False, a["spikes"])),
            "record|written",
            ("a",),
        ),
    ),
    fault(
        "a potential taken for a spike",
        S,
        "nengo-loihi issue 170",
        "soma2",
        (t.records("soma2", lambda a: a["spikes"] | (a["v"] == 640)), "record|written", ("soma2",)),
    ),
]


def _at(arrays: dict[str, Array], step: Any, part: Any) -> Array:
    where = np.zeros(arrays["spikes"].shape, bool)
    where[:, step, part] = True
    return where


INPUTS = [
    fault(
        "addresses down the columns",
        S,
        "sinabs issue 263; caer issue 31",
        None,
        (s.frames_of(t.transposed), "x and y|axes|column|transpos|order", FIRST),
    ),
    fault(
        "no input from recording 5 on",
        L,
        "sPyNNaker issue 347",
        None,
        (s.frames_of(put(0, slice(5, None))), "empty|no events|lost|silent|without|missing|nothing arrives", FIRST),
    ),
    fault(
        "the source runs dry",
        S,
        "sPyNNaker issue 157",
        None,
        (s.frames_of(t.runs_dry(420)), "lost|missing|empty|stop|no events|dry", FIRST),
    ),
    fault(
        "one polarity in two recordings",
        S,
        "EVIMO issue 20",
        None,
        (s.frames_of(in_recording(t.one_polarity, 2, 5)), "polarit", FIRST),
    ),
    fault(
        "two rows empty in the full steps",
        S,
        "OpenEB issue 75",
        None,
        (
            s.frames_of(put(0, slice(None), slice(0, 2), slice(None), slice(4, 6))),
            "row|pixel|lost|missing|no events",
            FIRST,
        ),
    ),
    fault(
        "three steps stamped with one time",
        L,
        "event-driven issue 3",
        None,
        (s.frames_of(t.banded(4, 6)), "step", FIRST),
    ),
    fault(
        "two pixels masked",
        K,
        "tonic pull request 171, DropPixel",
        None,
        (s.frames_of(lambda f: put(0, ..., 2, 3)(put(0, ..., 4, 4)(f))), "pixel|dead|masked|lost|missing", FIRST),
    ),
    fault(
        "the last frame dropped",
        K,
        "tonic issue 181",
        None,
        (s.frames_of(put(0, slice(None), -1)), "last|lost|missing|empty|step", FIRST),
    ),
]
SEVERAL = [
    fault(
        "equality, and biases that wrap",
        S,
        "Lava pull request 151, issue 329",
        "soma1",
        (cell(only("soma1"), bias_wraps=9), "bias", ("soma1",)),
        (cell(only("soma2"), at_equal=True), ">=|equal", ("soma2",)),
    ),
    fault(
        "cleared currents, and an exponent",
        K,
        "Brian 2 issue 943; Lava issue 803",
        "n1",
        (cell(only("n1"), u_resets=True), "current", ("n1",)),
        (Slip(read=node("far", weight_exp=lambda _: 0)), "weight_exp|exponent|factor|half", ("far",)),
    ),
    fault(
        "no feedback, and a late reset",
        L,
        "sinabs issue 128; snnTorch pull request 162",
        "b",
        (weights("self_b", np.zeros_like), "weight|nothing|missing|zero", ("self_b",)),
        (cell(only("b"), reset="late"), "late", ("b",)),
    ),
    fault(
        "one recording late, and a mirrored kernel",
        S,
        "sPyNNaker issue 37; lava-dl issue 260",
        "soma1",
        (s.frames_of(in_recording(s.shifted, 2)), "late|step", FIRST),
        (weights("stem", lambda w: np.ascontiguousarray(w[..., ::-1])), "flip|mirror|revers", ("stem",)),
    ),
    fault(
        "dead neurons, and a threshold of one channel",
        K,
        "SoftSNN; sinabs issue 68",
        "n1",
        (Slip(emits=s.silent, mask=only("n1", (slice(0, 2), 1, slice(2, 5)))), "silent|dead", ("n1",)),
        (cell(only("n3", 1), vth_add=64 * 300), "vth|threshold", ("n3",)),
    ),
    fault(
        "counts of one, and clipped weights",
        L,
        "NEST pull request 810; hls4ml issue 978",
        None,
        (s.frames_of(lambda f: np.minimum(f, 1)), "count|cut|more than", FIRST),
        (weights("in3", s.clipped_weights(-64, 63)), "weight", ("in3",)),
    ),
    fault(
        "a dead pixel, and rounding down",
        K,
        "tonic pull request 171; lava-dl pull request 78",
        None,
        (s.frames_of(put(0, ..., 3, 2)), "pixel|dead|lost|missing", FIRST),
        (cell(only("n2"), rounding="floor"), "round", ("n2",)),
    ),
    fault(
        "refractory channels, and classes without a reset",
        S,
        "BindsNET issue 137; SoftSNN",
        "soma1",
        (cell(only("soma1", slice(0, 5)), refractory=1), "silent|refractory", ("soma1",)),
        (cell(only("classes"), reset="none"), "reset", ("classes",)),
    ),
]
RUNS = [*CELLS, *SYNAPSES, *PATHS, *INPUTS, *SEVERAL]
