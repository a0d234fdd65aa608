"""The fourth list, models: what packing, splitting over cores and converting leave in a file."""

from typing import Any

import numpy as np

from benchmarks.fourth import slips as f
from benchmarks.fourth.neurons import decays_exchanged
from benchmarks.second.models import several, weight
from benchmarks.second.slips import node
from benchmarks.third.models import one
from deploy.network import Network

P, F, L = "pooled", "forks", "loop"
DRAWN = "drawn"


def delays_exchanged(network: Network) -> Network:
    return several(node("wait2", steps=lambda _: 1), node("wait1", steps=lambda _: 2))(network)


def nodes_exchanged(one_name: str, other: str) -> Any:
    """The weights of two layers of one shape lie under each other's names."""

    def edit(network: Network) -> Network:
        first: Any = network.nodes[one_name]
        second: Any = network.nodes[other]
        return several(weight(one_name, lambda _: second.weight), weight(other, lambda _: first.weight))(network)

    return edit


def rewired(network: Network) -> Network:
    """What feeds back into x comes from x itself, not from y."""
    edges = tuple(("x", "wf") if edge == ("y", "wf") else edge for edge in network.edges)
    wider = weight("wf", lambda w: np.concatenate([w, w[:, :12]], axis=1))
    return wider(network.replace(edges=edges))


def folded_twice(w: Any) -> Any:
    """Each output channel has its own factor a second time."""
    factor = np.linspace(0.6, 1.4, len(w)).reshape(-1, 1, 1, 1)
    return np.clip(2 * np.rint(w * factor / 2), -256, 254).astype(w.dtype)


MODELS = [
    one("sign and magnitude", P, "1bit-MONSTER pull request 572", weight("stem", f.two_complement), "stem.*sign|magni"),
    one(
        "order of nibbles",
        P,
        "1bit-MONSTER pull request 572",
        weight("fc1", f.nibbles),
        "fc1.*(pair|neighbo|exchang|swap|permut|order)",
    ),
    one(
        "no dilation",
        P,
        "netscope pull request 11",
        node("mix", dilation=lambda _: (1, 1), padding=lambda _: (1, 1)),
        "mix.*dilation",
    ),
    one(
        "groups exchanged",
        P,
        "tensorflow-onnx issue 1434",
        weight("mix", lambda w: np.roll(w, 6, axis=0)),
        "mix.*(group|half|halves|roll|moved|permut|order)",
    ),
    one(
        "one threshold", P, "CHaiDNN issue 108", node("s2", vth=lambda v: np.full_like(v, v.flat[0])), "s2.*(vth|thres)"
    ),
    one("biases halved", P, DRAWN, node("s1", bias=lambda b: b >> 1), "s1.*bias"),
    one(
        "windows of two",
        P,
        "pytorch/xla pull request 6409, poolings",
        node("pool2", kernel=lambda _: (2, 2), padding=lambda _: (0, 0)),
        "pool2.*kernel",
    ),
    one("decays exchanged", F, DRAWN, decays_exchanged("m"), "m.*(du.*dv|dv.*du|exchang|swap)|m.*du[^§]*m.*dv"),
    one("delays exchanged", F, "Brian2GeNN issue 49", delays_exchanged, "wait2.*1", "wait1.*2"),
    one(
        "two layers' weights exchanged",
        F,
        DRAWN,
        several(node("jb", weight_exp=lambda _: 0), node("ja", weight_exp=lambda _: 1), nodes_exchanged("ja", "jb")),
        "ja",
        "jb",
        "exchang|swap|each other|that of|those of",
    ),
    one(
        "stale weights on a core, and a decay",
        F,
        DRAWN,
        several(weight("cb", f.stale(slice(4, 8), 49)), node("s0", dv=lambda d: d + 2)),
        "cb.*weights",
        "s0.*dv",
    ),
    one("folded twice", F, DRAWN, weight("ca", folded_twice), "ca.*(factor|channel|batch|weights)"),
    one("a soft reset made hard", L, "NIR pull request 63", node("y", reset_mechanism=lambda _: "zero"), "y.*reset"),
    one("feedback from another layer", L, DRAWN, rewired, "y -> wf|wf"),
    one(
        "neurons in another order",
        L,
        DRAWN,
        several(weight("wy", lambda w: w[np.random.default_rng(50).permutation(24)])),
        "wy.*(permut|order|moved|exchang)",
    ),
    one(
        "doubled, and the exponent one less",
        L,
        DRAWN,
        several(weight("wx", lambda w: w * 2), node("wx", weight_exp=lambda n: n - 1)),
        "wx.*(same|doubl|2 times|multiplied by 2)",
    ),
]
