"""The fifth list, neurons and their state: one mistake in a whole layer or more."""

from benchmarks.fifth import slips as f
from benchmarks.fifth import words as w
from benchmarks.second.simulator import Slip
from benchmarks.second.slips import Fault, clipped, kept_start, node

S, R, D = "residual", "recurrent", "deep"
FRAMES = ("input", "frames", "events")


def fault(name: str, on: str, slip: Slip, says: str, where: tuple[str, ...], layer: str | None, source: str) -> Fault:
    return Fault(name=name, on=on, slips=(slip,), says=((says, where),), layer=layer, source=source)


ALONE = [
    fault(
        "a neuron rests a step after its spike",
        S,
        Slip(cell={"refractory": 1}, mask=f.of_layers("s2")),
        w.AGAIN,
        ("s2",),
        "s2",
        "nest/nest-simulator#3309: the refractory time is a step too long",
    ),
    fault(
        "hard resets happen a step late",
        D,
        Slip(cell={"reset": "late"}, mask=f.of_layers("d1", "d2", "d3", "d4", "d5", "d6", "last")),
        w.LATE_RESET,
        ("d1", "all layers", "every layer"),
        "d1",
        "jeshraghian/snntorch#364: reset_delay decides when",
    ),
    fault(
        "input scaled by the decay of the current",
        R,
        Slip(cell={"current_gain": 2048}, mask=f.of_layers("rec")),
        w.GAIN,
        ("rec", "fc1", "fcr"),
        "rec",
        "synsense/sinabs#40: the synaptic current was scaled by a normalization",
    ),
    fault(
        "what arrives leaks with the potential",
        D,
        Slip(cell={"leak_last": True}, mask=f.of_layers("d1", "d2", "d3", "d4", "d5", "d6", "last")),
        w.LEAK,
        ("d1", "all layers", "every layer"),
        "d1",
        "fangwei123456/spikingjelly LIFNode(decay_input=True)",
    ),
    fault(
        "the potential sees the current of the step before",
        R,
        Slip(cell={"u_of_before": True}, mask=f.of_layers("rec", "hid", "out")),
        w.OLD_CURRENT,
        ("rec", "all layers", "every layer"),
        "rec",
        "norse lif_feed_forward_step: v moves on before the current jumps",
    ),
    fault(
        "potentials never below zero",
        D,
        Slip(cell={"v_floor": 0}, mask=f.of_layers("d2")),
        w.FLOOR,
        ("d2",),
        "d2",
        "synsense/sinabs min_v_mem, which chips of its maker have as a register",
    ),
    fault(
        "a threshold is reached at equality",
        D,
        Slip(cell={"at_equal": True}, mask=f.of_layers("d3")),
        w.EQUAL,
        ("d3",),
        "d3",
        "nest/nest-simulator iaf models spike where V_m >= V_th",
    ),
    fault(
        "a leak by a shift",
        S,
        Slip(read=node("s1", dv=f.powers_of_two)),
        w.LEAK,
        ("s1",),
        "s1",
        "synsense/rockpool Xylo: dash, a decay by bit shift",
    ),
    fault(
        "state goes on into the next recording in two layers",
        S,
        Slip(start=kept_start, mask=f.of_layers("s3", "s4")),
        w.CARRIED,
        ("s3", "s4"),
        "s3",
        "fangwei123456/spikingjelly#29: reset_net was not called",
    ),
    fault(
        "recurrent spikes of the recording before",
        R,
        Slip(keeps_sent=True),
        w.CARRIED,
        ("rec", "fcr", "fch", "wait", "hid", "recurrent"),
        "rec",
        "jeshraghian/snntorch#108: RLeaky did not reset its spikes",
    ),
    fault(
        "sums saturate in a ring buffer",
        R,
        Slip(sums=clipped(-400, 400), mask=f.of_layers("hid")),
        w.LIMIT,
        ("hid", "fc2", "fch"),
        "hid",
        "SpiNNakerManchester/sPyNNaker#497: saturation of a ring buffer",
    ),
    fault(
        "a spike makes the current zero as well",
        R,
        Slip(cell={"u_resets": True}, mask=f.of_layers("hid")),
        w.CLEARS_CURRENT,
        ("hid",),
        "hid",
        "brian-team/brian2#943: a reset with I = 0 in it",
    ),
    fault(
        "the decay of a current is off by one",
        R,
        Slip(cell={"du_plus": 0}, mask=f.of_layers("rec", "hid", "out")),
        w.LEAK + "|current",
        ("rec", "all layers", "every layer"),
        "rec",
        "lava-nc/lava-dl#30: iDecay - 1",
    ),
]
