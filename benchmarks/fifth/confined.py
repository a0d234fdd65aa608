"""The fifth list: one mistake in some neurons, steps or recordings."""

import numpy as np

from benchmarks.fifth import slips as f
from benchmarks.fifth import words as w
from benchmarks.fifth.alone import FRAMES, D, R, S, fault
from benchmarks.second.simulator import Slip
from benchmarks.second.slips import frames_of, in_recording, node, only, weights, written


def flipped(rows: slice) -> Slip:
    def change(weight: np.ndarray) -> np.ndarray:
        weight = weight.copy()
        weight[rows] = weight[rows, :, ::-1, ::-1]
        return weight

    return weights("c2", change)


CONFINED = [
    fault(
        "a longer rest once time is large",
        R,
        Slip(cell={"refractory": 1}, mask=f.from_step(9, f.of_layers("rec"))),
        w.AGAIN,
        ("rec",),
        "rec",
        "brian-team/brian2#943: the refractory time depends on the absolute time",
    ),
    fault(
        "a block of potentials has a floor",
        S,
        Slip(cell={"v_floor": -4000}, mask=only("s4", slice(4, 8))),
        w.FLOOR,
        ("s4",),
        "s4",
        "nengo/nengo-loihi#130: vmin of one of the profiles of a core",
    ),
    fault(
        "half a layer handles spikes a step late",
        R,
        Slip(sums=f.lagging(1), mask=only("hid", slice(10, None))),
        w.LATE,
        ("hid",),
        "hid",
        "SpiNNakerManchester/sPyNNaker8#285: the second core of a population lags",
    ),
    fault(
        "sums of some targets are not cleared",
        R,
        Slip(sums=f.summing(slice(13, None)), mask=only("hid", slice(13, None))),
        w.SUMS_UP,
        ("hid",),
        "hid",
        "brian-team/brian2#925: summed variables of subgroups pile up",
    ),
    fault(
        "the last neuron has no synapses",
        R,
        weights("fc2", f.zeroed(-1)),
        w.ZERO,
        ("fc2", "hid"),
        "hid",
        "OFTNAI/Spike#16: the last neuron was left out by a loop",
    ),
    fault(
        "kernels of half the channels upside down",
        S,
        flipped(slice(0, 4)),
        w.FLIPPED,
        ("c2",),
        "s2",
        "genn-team/genn Toeplitz kernels: convolution and cross-correlation",
    ),
    fault(
        "weights of one core wrap",
        D,
        weights("w4", f.narrow(7, slice(0, 8))),
        w.WRAPS,
        ("w4",),
        "d4",
        "lava-nc/lava-dl#170: weights of 255 do not fit",
    ),
    fault(
        "thresholds of a block are off by their calibration",
        R,
        Slip(read=node("rec", vth=f.moved_by(61, 60, 38, slice(6, 16)))),
        w.THRESHOLD,
        ("rec",),
        "rec",
        "BrainScaleS-2: a threshold calibrated neuron by neuron",
    ),
    fault(
        "a layer sends at most so much, in two recordings",
        S,
        Slip(sends=f.at_most(120), mask=only("s1", recordings=(2, 5))),
        w.DROPS,
        ("s1",),
        "s2",
        "SpiNNakerManchester/sPyNNaker#27: spikes get lost at high rates",
    ),
    fault(
        "the second batch has its recordings in another order",
        R,
        frames_of(lambda frames: frames[[0, 1, 2, 3, 5, 6, 7, 4]]),
        w.ORDER,
        FRAMES,
        None,
        "genn-team/genn#565: an index without the offset of its batch",
    ),
    fault(
        "polarities merged in some recordings",
        S,
        frames_of(
            in_recording(
                lambda frames: np.stack([frames.sum(axis=2).astype(frames.dtype), 0 * frames[:, :, 0]], axis=2), 1, 6
            )
        ),
        w.CHANNEL,
        FRAMES,
        None,
        "neuromorphs/tonic#244: ToFrame merges polarities in silence",
    ),
    fault(
        "each source reaches so many targets",
        D,
        weights("w6", f.fan_out(16)),
        w.ZERO,
        ("w6",),
        "d6",
        "inivation/caer#132: a neuron had a limited number of connections",
    ),
    fault(
        "two sources have one sign only",
        D,
        weights("w5", lambda weight: f.positive(11)(f.positive(4)(weight))),
        w.SIGN,
        ("w5",),
        "d5",
        "BrainScaleS-2: a synapse row excites or inhibits",
    ),
    fault(
        "a layer is read out with its even and odd neurons apart",
        R,
        written("hid", lambda a: np.concatenate([a[..., ::2], a[..., 1::2]], axis=-1)),
        w.ORDER,
        ("hid",),
        "hid",
        "NeuralEnsemble/PyNN#249: gathered spike trains are in another order",
    ),
    fault(
        "spikes of a layer are written a step late",
        D,
        f.written_kind("d5", ("spikes",), f.a_step_late),
        w.LATE,
        ("d5",),
        "d5",
        "fzenke/spytorch#10: recordings of spikes begin with a step too many",
    ),
    fault(
        "another layer is monitored",
        S,
        Slip(files=lambda layers: {**layers, "s2": layers["s1"]}),
        "s1|another|other layer|wrong layer|exchang|swap",
        ("s2",),
        "s2",
        "synsense/sinabs#151: the wrong layer is monitored",
    ),
    fault(
        "only the second half is recorded",
        S,
        written("s3", f.second_half_only),
        w.RECORDS,
        ("s3",),
        "s3",
        "NeuralEnsemble/PyNN#645: only what came after the last update is there",
    ),
    fault(
        "a recorder has room for so many spikes of a step",
        S,
        f.written_kind("s2", ("spikes",), f.recorder_full(68)),
        w.RECORDS + "|" + w.DROPS,
        ("s2",),
        "s2",
        "SpiNNakerManchester/sPyNNaker#335: 69 spikes at once are too many to record",
    ),
]
