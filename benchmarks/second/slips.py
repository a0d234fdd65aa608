"""What the second list of runs is made of: faults, where and when they act, and what goes wrong.

Drawn up from public errata before the checker's hypotheses were read. Sources: NEST (nest-simulator issues 3309, 547,
NESTML 1392), sPyNNaker (27, 37, 75, 171, 497, 745, 793, 1045), Lava (lava 322, 329, pull request 39; lava-dl 65, 226,
315), nengo-loihi (109, 130, 276, 279), snnTorch (108, 159, 358), snn_toolbox (31, 103), sinabs (40, 148), ml_genn 190,
slayerPytorch 25.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.second.simulator import Array, Mask, Now, Slip
from deploy.network import Network


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault, or several at once.

    slips: what goes wrong; on: the network; says: for each mistake, a pattern that a right cause's words match, and the
    nodes or layers one of which it is placed in; layer: the first layer that is wrong by itself; None: the frames;
    source: where it was reported, where that does not stand above.
    """

    name: str
    on: str
    slips: tuple[Slip, ...]
    says: tuple[tuple[str, tuple[str, ...]], ...]
    layer: str | None
    source: str = ""


def only(layer: str, part: Any = (), *, steps: slice = slice(None), recordings: tuple[int, ...] | None = None) -> Mask:
    """Where a slip acts: a layer, an index of its neurons, steps, recordings."""

    def mask(now: Now) -> Array | bool:
        if now.node != layer or (recordings is not None and now.recording not in recordings):
            return False
        if now.step >= 0 and now.step not in range(*steps.indices(10**6)):
            return False
        where = np.zeros(now.shape, bool)
        where[part] = True
        return where

    return mask


def layers(*names: str) -> Mask:
    return lambda now: now.node in names


def node(name: str, **changes: Callable[[Any], Any]) -> Callable[[Network], Network]:
    """A reader that takes some parameters of a node for others."""

    def read(network: Network) -> Network:
        old: Any = network.nodes[name]
        values = {field: change(getattr(old, field)) for field, change in changes.items()}
        return network.replace(nodes={**network.nodes, name: replace(old, **values)})

    return read


def weights(name: str, change: Callable[[Array], Array]) -> Slip:
    return Slip(read=node(name, weight=change))


def at(index: tuple[int, ...], by: int) -> Callable[[Array], Array]:
    def change(weight: Array) -> Array:
        weight = weight.copy()
        weight[index] += by
        return weight

    return change


def late(now: Now, x: Array, past: list[Array]) -> Array:
    del now
    return past[-2] if len(past) > 1 else np.zeros_like(x)


def silent(now: Now, x: Array, past: list[Array]) -> Array:
    del now, past
    return np.zeros_like(x)


def none(now: Now, a: Array) -> Array:
    del now
    return np.zeros_like(a)


def never_twice(now: Now, sent: Array, past: list[Array]) -> Array:
    del now
    return sent & ~past[-1] & 1 if past else sent


def lossy(share: float) -> Callable[[Now, Array, list[Array]], Array]:
    def lose(now: Now, sent: Array, past: list[Array]) -> Array:
        rng = np.random.default_rng((now.recording, now.step, len(now.node)))
        del past
        return sent * (rng.random(sent.shape) >= share)

    return lose


def congested(most: int) -> Callable[[Now, Array, list[Array]], Array]:
    """Of a step no more than so many spikes leave the core, the first ones."""

    def cap(now: Now, sent: Array, past: list[Array]) -> Array:
        del now, past
        return sent * (np.cumsum(sent.reshape(-1)).reshape(sent.shape) <= most)

    return cap


def wrapped(bits: int) -> Callable[[Now, Array], Array]:
    half = 1 << (bits - 1)

    def change(now: Now, a: Array) -> Array:
        del now
        return (a + half) % (2 * half) - half

    return change


def late_sums() -> Callable[[Now, Array], Array]:
    """What arrives is worked on a step later."""
    held: dict[tuple[str, int, int], Array] = {}

    def change(now: Now, a: Array) -> Array:
        held[now.node, now.recording, now.step] = a
        return held.get((now.node, now.recording, now.step - 1), np.zeros_like(a)) if now.step else np.zeros_like(a)

    return change


def clipped(low: int, high: int) -> Callable[[Now, Array], Array]:
    def change(now: Now, a: Array) -> Array:
        del now
        return np.clip(a, low, high)

    return change


def recurrent_lost(network: Network) -> Network:
    nodes = {name: node for name, node in network.nodes.items() if name != "back"}
    return network.replace(nodes=nodes, edges=tuple(edge for edge in network.edges if "back" not in edge))


def kept_start(now: Now, u: Array, v: Array) -> tuple[Array, Array]:
    del now
    return u, v


def random_start(now: Now, u: Array, v: Array) -> tuple[Array, Array]:
    rng = np.random.default_rng((7, now.recording))
    return np.zeros_like(u), rng.integers(-3000, 3000, v.shape)


def written(layer: str, change: Callable[[Array], Array]) -> Slip:
    """Something goes wrong only as a layer's spikes are written down."""

    def writes(name: str, arrays: dict[str, Array]) -> dict[str, Array]:
        return {**arrays, "spikes": change(arrays["spikes"])} if name == layer else arrays

    return Slip(writes=writes)


def frames_of(change: Callable[[Array], Array]) -> Slip:
    return Slip(see=change)


def shifted(frames: Array) -> Array:
    moved = np.zeros_like(frames)
    moved[:, 1:] = frames[:, :-1]
    return moved


def in_recording(change: Callable[[Array], Array], *rows: int) -> Callable[[Array], Array]:
    def some(frames: Array) -> Array:
        frames = frames.copy()
        frames[list(rows)] = change(frames)[list(rows)]
        return frames

    return some


def put(value: int, *index: Any) -> Callable[[Array], Array]:
    def change(frames: Array) -> Array:
        frames = frames.copy()
        frames[index] = value
        return frames

    return change


def rolled(frames: Array) -> Array:
    return np.roll(frames, 1, axis=0)


def flip(weight: Array) -> Array:
    return np.ascontiguousarray(weight[..., ::-1, ::-1])


def clipped_weights(low: int, high: int) -> Callable[[Array], Array]:
    return lambda weight: np.clip(weight, low, high)


def coarse(bits: int) -> Callable[[Array], Array]:
    return lambda weight: (np.asarray(weight) >> bits) << bits


def delay_of(change: Callable[[int], int]) -> Slip:
    return Slip(read=node("delay", steps=change))
