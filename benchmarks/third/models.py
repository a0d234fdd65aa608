"""The third list, models: what converters, loaders and editors were reported to leave in a file."""

from typing import Any

import numpy as np

from benchmarks.second.models import Edit, Edited, several, weight
from benchmarks.second.models import one as told
from benchmarks.second.slips import at, coarse, node
from benchmarks.third.runs import channel_off, channels_last, rolled_bias
from deploy.network import Conv, Network

S, K, L = "strided", "skips", "loops"
EXCHANGED = np.array([0, 1, 7, 3, 4, 5, 6, 2, 8, 9])


def one(name: str, on: str, source: str, edit: Edit, *says: str) -> Edited:
    del source  # beside its edit for whoever reads
    return told(name, on, edit, *says)


def renumbered(network: Network) -> Network:
    """Channels 2 and 7 of soma1 change places, and whoever reads them knows."""
    edits = (weight("stem", lambda w: w[EXCHANGED]), node("soma1", bias=lambda b: b[EXCHANGED]))
    return several(*edits, weight("mix", lambda w: w[:, EXCHANGED]))(network)


def without(*names: str) -> Edit:
    """Nodes and their edges are gone."""

    def edit(network: Network) -> Network:
        nodes = {name: node for name, node in network.nodes.items() if name not in names}
        return network.replace(nodes=nodes, edges=tuple(e for e in network.edges if not set(e) & set(names)))

    return edit


def bypassed(name: str) -> Edit:
    """What a node gave is taken from the node before it."""

    def edit(network: Network) -> Network:
        (before,), (after,) = network.sources(name), [b for a, b in network.edges if a == name]
        return without(name)(network).replace(edges=(*without(name)(network).edges, (before, after)))

    return edit


def renamed(network: Network) -> Network:
    """As another exporter counts its nodes."""
    names = {name: name if name in ("input", "output") else f"{i}.{name}" for i, name in enumerate(network.nodes)}
    return network.replace(
        nodes={names[name]: node for name, node in network.nodes.items()},
        edges=tuple((names[a], names[b]) for a, b in network.edges),
        scale_bits={names[name]: bits for name, bits in network.scale_bits.items()},
    )


def epoch(network: Network) -> Network:
    """A later checkpoint: every layer with weights has moved a little."""
    rng = np.random.default_rng(5)

    def moved(w: Any) -> Any:
        return w + 2 * (rng.random(w.shape) < 0.4) * rng.integers(-3, 4, w.shape)

    names = [name for name, node in network.nodes.items() if hasattr(node, "weight")]
    return several(*[weight(name, moved) for name in names])(network)


def wider(network: Network) -> Network:
    """A convolution of 1 x 1 written as one of 3 x 3 around zeros."""
    old: Any = network.nodes["near"]
    weights = np.zeros((*old.weight.shape[:2], 3, 3), old.weight.dtype)
    weights[..., 1:2, 1:2] = old.weight
    return network.replace(nodes={**network.nodes, "near": Conv(weight=weights, padding=(1, 1))})


def mirrored(w: Any) -> Any:
    return np.ascontiguousarray(w[..., ::-1])


MODELS = [
    one("kernel mirrored in x", S, "lava-dl issue 260", weight("stem", mirrored), "stem", "mirror|flip|revers"),
    one("channels last", S, "NIR pull request 59", weight("dense", channels_last), "dense", "order|H, W, C"),
    one("exponent lost", S, "Lava issue 803", node("mix", weight_exp=lambda _: 0), "mix", "weight_exp|factor"),
    one("pool of one pixel", S, "hls4ml issue 995", node("pool", kernel=lambda _: (1, 1)), "pool", "kernel"),
    one(
        "bias one channel on",
        S,
        "ai8x-synthesis 152",
        node("soma1", bias=rolled_bias),
        "soma1.*bias",
        "roll|shift|one on",
    ),
    one(
        "bias lost",
        S,
        "Norse pull request 438",
        node("soma3", bias=np.zeros_like),
        "soma3.*bias",
        "missing|0 everywhere|lost",
    ),
    one("renumbered, and consistently", S, "NIRTorch, order of nodes", renumbered, "renumber|same|consistent"),
    one("a later checkpoint", S, "sinabs issue 68", epoch, "stem", "mix", "dense", "vote", "weights"),
    one(
        "threshold and weights halved",
        S,
        "sinabs issue 128",
        several(node("soma3", vth=lambda v: v // 2), weight("dense", lambda w: w // 2)),
        "soma3.*vth",
        "dense.*(half|0.5|divided|factor|weights)",
    ),
    one("a delay shorter", K, "BrainPy issue 709", node("wait3", steps=lambda _: 2), "wait3", "2 instead of 3"),
    one("a delay gone", K, "Brian2GeNN issue 49", bypassed("wait1"), "wait1"),
    one("a skip gone", K, "hls4ml pull request 309", without("wait3", "far"), "wait3|far"),
    one("one leak for all", K, "snnTorch issue 442", node("n2", dv=lambda d: np.full_like(d, d.flat[0])), "n2.*dv"),
    one("currents off by one", K, "lava-dl pull request 88", node("n1", du=lambda d: d + 1), "n1.*du", "1"),
    one(
        "inputs and outputs exchanged",
        K,
        "lava-dl issue 260",
        weight("c2", lambda w: np.ascontiguousarray(w.swapaxes(0, 1))),
        "c2",
        "transpos|exchang|swap|inputs and outputs",
    ),
    one("an input channel cut", K, "Vatajelu et al., VTS 2019", weight("c3", channel_off), "c3", "4"),
    one("a wider kernel of zeros", K, "DynapCNN, kernel shapes", wider, "near", "kernel|same|padding|3"),
    one(
        "the readout spikes",
        K,
        "sinabs issue 236",
        node("readout", vth=lambda _: np.array(900)),
        "readout",
        "vth|spike|readout",
    ),
    one(
        "no neuron feeds itself",
        L,
        "Norse pull request 178",
        weight("self_a", lambda w: w * (1 - np.eye(40, dtype=w.dtype))),
        "self_a",
        "diagonal|itself|weights",
    ),
    one(
        "one to one",
        L,
        "snnTorch pull request 147",
        weight("self_b", lambda w: w * np.eye(30, dtype=w.dtype)),
        "self_b",
        "diagonal|itself|weights",
    ),
    one("a feedback gone", L, "snnTorch issue 304", without("down"), "down"),
    one("weights of fewer bits", L, "Lava pull request 328", weight("in2", coarse(4)), "in2", "bits|multiple"),
    one(
        "inputs the other way round",
        L,
        "tonic, order of channels",
        weight("in1", mirrored),
        "in1",
        "revers|mirror|flip",
    ),
    one("other names", L, "NIRTorch, names of nodes", renamed, "name|same"),
    one(
        "two outputs exchanged, and one bias",
        L,
        "hls4ml issue 445",
        several(weight("in3", lambda w: w[[0, 3, 2, 1, 4]]), node("b", bias=at((7,), 64))),
        "in3",
        "1 and 3|swap|exchang",
        "b.*bias",
    ),
]
