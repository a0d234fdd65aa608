"""The second list, models: what conversion, editing and training on leave in a file; told from two files alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.second.networks import cells
from benchmarks.second.slips import at, coarse, flip, node, recurrent_lost
from deploy.network import Conv, Delay, Dense, GridNeuron, Network

P, B, R = "plain", "branched", "recurrent"
Edit = Callable[[Network], Network]
EXCHANGED = np.array([0, 1, 2, 9, 4, 5, 6, 7, 8, 3, 10, 11])


@dataclass(frozen=True, kw_only=True)
class Edited:
    """on: the network; edit: what was done to the file; says: for each edit, a pattern that the words match."""

    name: str
    on: str
    edit: Edit
    says: tuple[str, ...]


def one(name: str, on: str, edit: Edit, *says: str) -> Edited:
    return Edited(name=name, on=on, edit=edit, says=says)


def several(*edits: Edit) -> Edit:
    def edit(network: Network) -> Network:
        for change in edits:
            network = change(network)
        return network

    return edit


def weight(name: str, change: Callable[[Any], Any]) -> Edit:
    return node(name, weight=change)


def renumbered(network: Network) -> Network:
    """Channels 3 and 9 of lif2 change places, and whoever reads them knows."""
    flat = np.arange(192).reshape(12, 16)[EXCHANGED].reshape(-1)
    given = weight("conv2", lambda w: w[EXCHANGED])(network)
    given = node("lif2", bias=lambda b: b[EXCHANGED])(given)
    return weight("fc", lambda w: w[:, flat])(given)


def checkpoint(network: Network) -> Network:
    """Some more iterations: three weights in ten move by one or two steps of the grid."""
    rng, nodes = np.random.default_rng(3), dict(network.nodes)
    for name, old in network.nodes.items():
        if isinstance(old, Conv | Dense):
            step = 2 * rng.integers(-2, 3, old.weight.shape) * (rng.random(old.weight.shape) < 0.3)
            nodes[name] = replace(old, weight=np.clip(old.weight + step, -256, 254))
    return network.replace(nodes=nodes)


def scaled(network: Network) -> Network:
    """Weights, bias and threshold of a layer times 4: the same spikes."""
    given = weight("conv2", lambda w: w * 4)(network)
    return node("lif2", vth=lambda v: v * 4, bias=lambda b: b * 4)(given)


def without(*names: str, edges: tuple[tuple[str, str], ...] = ()) -> Edit:
    def edit(network: Network) -> Network:
        nodes = {name: old for name, old in network.nodes.items() if name not in names}
        kept = (edge for edge in network.edges if not set(edge) & set(names))
        return network.replace(nodes=nodes, edges=(*kept, *edges))

    return edit


def with_edge(*edge: str) -> Edit:
    return lambda network: network.replace(edges=(*network.edges, (edge[0], edge[1])))


def without_edge(*edge: str) -> Edit:
    return lambda network: network.replace(edges=tuple(e for e in network.edges if e != (edge[0], edge[1])))


def delayed(network: Network) -> Network:
    nodes = {**network.nodes, "wait": Delay(steps=1)}
    edges = tuple(e for e in network.edges if e != ("lif1", "conv2"))
    return network.replace(nodes=nodes, edges=(*edges, ("lif1", "wait"), ("wait", "conv2")))


def renamed(network: Network) -> Network:
    names = {name: f"layers_{name}" for name in network.nodes if name not in ("input", "output")}
    return network.replace(
        nodes={names.get(name, name): old for name, old in network.nodes.items()},
        edges=tuple((names.get(a, a), names.get(b, b)) for a, b in network.edges),
        scale_bits={names.get(name, name): bits for name, bits in network.scale_bits.items()},
    )


def resized(network: Network) -> Network:
    """A stride of 1 for 2, and all that follows from it."""
    given = node("conv2", stride=lambda s: (1, 1))(network)
    given = node("lif2", shape=lambda s: (12, 8, 8))(given)
    return weight("fc", lambda w: np.tile(w, (1, 4)))(given)


def no_readout(network: Network) -> Network:
    old = network.nodes["readout"]
    assert isinstance(old, GridNeuron)
    return network.replace(nodes={**network.nodes, "readout": replace(old, vth=np.array(600))})


def one_more_layer(network: Network) -> Network:
    extra = {"fc9": Dense(weight=2 * np.eye(5, dtype=np.int64)), "lif9": cells(5, vth=None)}
    edges = tuple(e for e in network.edges if e != ("readout", "output"))
    given = no_readout(network)
    more = (("readout", "fc9"), ("fc9", "lif9"), ("lif9", "output"))
    return given.replace(
        nodes={**given.nodes, **extra}, edges=(*edges, *more), scale_bits={**given.scale_bits, "lif9": 7}
    )


def of_channel(index: Any, by: int) -> Callable[[Any], Any]:
    def change(values: Any) -> Any:
        whole = np.broadcast_to(values, (8, 1, 1)).copy()
        whole[index] += by
        return whole

    return change


MODELS = (
    one("channels 3 and 9 exchanged", P, weight("conv2", lambda w: w[EXCHANGED]), "3 and 9"),
    one("channels 3 and 9 renumbered throughout", P, renumbered, "renumber"),
    one("kernels turned by 180 degrees", P, weight("conv1", flip), "flipped in both|180"),
    one("kernels turned by 90 degrees", P, weight("conv1", lambda w: np.rot90(w, axes=(2, 3)).copy()), "90"),
    one("kernels transposed", B, weight("conv2", lambda w: w.swapaxes(2, 3).copy()), "axes are swapped|transposed"),
    one("kernels mirrored", P, weight("conv2", lambda w: w[..., ::-1].copy()), "mirrored|flipped"),
    one("a later checkpoint", P, checkpoint, r"weights differ, by at most 4|by up to 4"),
    one("all of a layer times 4", P, scaled, r"4 times|times 4|multiplied by 4"),
    one(
        "weights times 2",
        R,
        weight("fc2", lambda w: np.clip(w * 2, -256, 254)),
        r"2 times|times 2|multiplied by 2|doubled",
    ),
    one("outputs rolled by one", R, weight("fc1", lambda w: np.roll(w, 1, axis=0)), "rolled"),
    one("inputs rolled by one", R, weight("fc2", lambda w: np.roll(w, 1, axis=1)), "rolled"),
    one("one weight", B, weight("conv3", at((2, 4, 0, 1), 2)), r"\[2, 4, 0, 1\]"),
    one("threshold of a channel", P, node("lif1", vth=of_channel(5, 20)), "channel 5|channel\\(s\\) 5|vth"),
    one("dv one more", R, node("lif1", dv=lambda v: v + 1), r"dv is 801"),
    one("du one less", B, node("cuba2", du=lambda v: v - 1), r"du is 2599"),
    one("biases of the other sign", P, node("lif1", bias=lambda b: -b), "opposite sign"),
    one("biases missing", R, node("cuba2", bias=lambda b: b * 0), "bias is missing"),
    one("an edge missing", B, without_edge("short", "meet"), "short -> meet"),
    one("an edge too many", B, with_edge("conv2", "meet"), "conv2 -> meet"),
    one("a delay of 3 for 2", B, node("delay", steps=lambda n: 3), "3 instead of 2"),
    one("a delay missing", B, without("delay", edges=(("cuba1", "short"),)), "delay"),
    one("a delay too many", P, delayed, "delay|wait"),
    one("a recurrent edge missing", R, recurrent_lost, "back"),
    one("recurrent weights transposed", R, weight("back", lambda w: w.T.copy()), "transposed|rows and columns"),
    one("another stride", P, resized, "stride"),
    one(
        "another padding and kernel",
        P,
        node("conv1", padding=lambda p: (0, 0), weight=lambda w: w[..., 1:2, 1:2].copy()),
        "padding|kernel",
    ),
    one("renamed throughout", P, renamed, "renamed|named"),
    one("a readout that spikes", P, no_readout, "readout"),
    one("a layer more", P, one_more_layer, "lif9"),
    one("classes in another order", R, weight("fc3", lambda w: w[[2, 0, 1, 3]]), "order|permut|moved"),
    one("small weights pruned", P, weight("fc", lambda w: np.where(abs(w) <= 20, 0, w)), "pruned|small|are 0"),
    one("weights of four bits", B, weight("conv1", coarse(4)), "lowest bits|4 bits"),
    one(
        "exponent one more, weights halved",
        R,
        node("back", weight_exp=lambda e: e + 1, weight=lambda w: w // 2),
        "same|half|halved",
    ),
    one("soft reset", P, node("lif2", reset_mechanism=lambda m: "subtract"), "soft reset"),
    one(
        "polarities exchanged in the weights",
        P,
        weight("conv1", lambda w: w[:, ::-1].copy()),
        "polarity|reverse|exchanged",
    ),
    one(
        "flat order (H, W, C)", P, weight("fc", lambda w: w.reshape(5, 12, 16).swapaxes(1, 2).reshape(5, -1)), "H, W, C"
    ),
    one("another dt", P, lambda network: network.replace(dt=2e-4), "dt"),
    one(
        "exchanged channels and a threshold",
        P,
        several(weight("conv2", lambda w: w[EXCHANGED]), node("lif1", vth=lambda v: v + 1)),
        "3 and 9",
        "vth is 171",
    ),
    one(
        "rotated kernel and a bias",
        B,
        several(weight("conv1", flip), node("cuba2", bias=lambda b: b + 64)),
        "flipped|180",
        "bias",
    ),
    one(
        "checkpoint and a delay",
        B,
        several(checkpoint, node("delay", steps=lambda n: 1)),
        "weights differ",
        "1 instead of 2",
    ),
)
