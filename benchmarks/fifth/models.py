"""The fifth list, models: what readers, writers and converters of other tools left in a file."""

from typing import Any

import numpy as np

from benchmarks.fifth import slips as f
from benchmarks.fifth.alone import D, R, S
from benchmarks.second.models import Edited, several, weight
from benchmarks.second.slips import node
from deploy.network import Network


def edited(name: str, on: str, edit: Any, *says: str) -> Edited:
    return Edited(name=name, on=on, edit=edit, says=tuple(f"(?is){pattern}" for pattern in says))


def decays_exchanged(network: Network) -> Network:
    """tau_mem and tau_syn of CubaLIF, one for the other."""
    hid: Any = network.nodes["hid"]
    return node("hid", du=lambda _: hid.dv, dv=lambda _: hid.du)(network)


def renumbered(network: Network) -> Network:
    """Neurons of d5 in another order, and whoever reads them knows."""
    order = np.random.default_rng(64).permutation(32)
    given = weight("w5", lambda w: w[order])(network)
    return weight("w6", lambda w: w[:, order])(node("d5", bias=lambda bias: bias[order])(given))


def delay_after(network: Network) -> Network:
    """The delay before a synapse stands behind it."""
    edges = [edge for edge in network.edges if "wait3" not in edge and edge != ("w6", "d6")]
    return network.replace(edges=(*edges, ("d5", "w6"), ("w6", "wait3"), ("wait3", "d6")))


def skip_lost(network: Network) -> Network:
    return network.replace(edges=tuple(edge for edge in network.edges if edge != ("s1", "pool")))


MODELS = [
    # lava-nc/lava-dl#260
    edited("kernels transposed", S, weight("c2", lambda w: w.swapaxes(2, 3)), r"c2[^\n]*(transpos|swap|exchang)"),
    # jeshraghian/snntorch#290: recurrent weights on their way through NIR
    edited("recurrent weights transposed", R, weight("fcr", np.transpose), r"fcr[^\n]*(transpos|swap|exchang)"),
    # NeuromorphicProcessorProject/snn_toolbox#48
    edited("a flatten permuted", S, weight("fc", f.channels_last(12)), r"fc[^\n]*(permut|order|exchang|channel)"),
    # brainpy/BrainPy#709
    edited(
        "every delay shorter",
        D,
        several(node("wait2", steps=lambda _: 1), node("wait3", steps=lambda _: 1)),
        r"wait2[^\n]*(delay|step)",
        r"wait3[^\n]*(delay|step)",
    ),
    # fangwei123456/spikingjelly#322: v_reset=None is the soft reset
    edited("a soft reset is hard", R, node("hid", reset_mechanism=lambda _: "zero"), r"hid[^\n]*reset"),
    # jeshraghian/snntorch#435: constants of CubaLIF
    edited("time constants exchanged", R, decays_exchanged, r"hid[^\n]*du.*dv|hid[^\n]*(decay|exchang)"),
    # synsense/sinabs discretization: weights halved, twice the exponent
    edited(
        "weights halved under an exponent more",
        S,
        several(weight("c1", lambda w: w // 2), node("c1", weight_exp=lambda e: e + 1)),
        r"same|equal|equivalent|no difference|scale|exponent",
    ),
    # cornell-zhang/bnn-fpga#22
    edited("neurons renumbered", D, renumbered, r"d5|w5", r"permut|order|renumber"),
    # neuromorphs/NIRTorch: an order of nodes of its own
    edited("a delay moved behind its synapse", D, delay_after, r"wait3|delay"),
    # norse LIFRecurrent(autapses=False), with small weights lost as in sPyNNaker#745
    edited(
        "no neuron reaches itself, small weights lost",
        R,
        several(weight("fcr", f.without_self), weight("fc2", f.small_lost(30))),
        r"fcr[^\n]*(diagonal|itself|self|own)",
        r"fc2[^\n]*(small|below|prun|zero|\b0\b)",
    ),
    # jeshraghian/snntorch#435: the threshold scaled; BrainScaleS: leaks of a block
    edited(
        "a threshold scaled, leaks of a block moved",
        R,
        several(
            node("rec", vth=lambda vth: 2 * vth),
            node("hid", dv=f.moved_by(65, 80, 20, slice(5, 12))),
        ),
        r"rec[^\n]*(vth|threshold)[^\n]*(2|twice|doubl)",
        r"hid[^\n]*(dv|leak|decay)",
    ),
    # NeuromorphicProcessorProject/snn_toolbox#115: a residual network read without its additions
    edited("an addition lost", S, skip_lost, r"s1[^\n]*pool|pool[^\n]*s1"),
    # neuromorphs/NIR#164: dt of 1e-4 where the constants are of 1e-3
    edited("another dt", S, lambda network: network.replace(dt=1e-3), r"\bdt\b|time step|step of"),
    # lava-nc/lava-dl#170: weights that do not fit
    edited("weights of a block wrap", D, weight("w4", f.narrow(7, slice(0, 8))), r"w4[^\n]*(wrap|bits|128)"),
    # synsense/sinabs rescale_weights
    edited("an exponent lost", S, node("dw", weight_exp=lambda _: 0), r"dw[^\n]*(exp|twice|2|doubl|factor|scal)"),
]
