"""What goes wrong in the fourth list and in no other: encodings of weights, borders of maps and cores, recorders."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.second.operators import convolved, scaled
from benchmarks.second.simulator import Array, Now, Slip
from deploy.traces.layers import LayerRecord

Into = Callable[[Now, Array, list[Array]], Array]


def two_complement(weight: Array) -> Array:
    """Nine bits of sign and magnitude, read as two's complement."""
    return np.where(weight < 0, -256 - weight, weight)


def nibbles(weight: Array) -> Array:
    """Of each two weights in memory the second one is read first."""
    flat = weight.reshape(-1)
    return flat.reshape(-1, 2)[:, ::-1].reshape(weight.shape)


def exchanged(axis: int, one: int, other: int) -> Callable[[Array], Array]:
    def change(weight: Array) -> Array:
        order = np.arange(weight.shape[axis])
        order[[one, other]] = other, one
        return np.take(weight, order, axis)

    return change


def rolled(axis: int) -> Callable[[Array], Array]:
    return lambda weight: np.roll(weight, 1, axis)


def stale(rows: slice, seed: int) -> Callable[[Array], Array]:
    """Some outputs have the weights of an earlier checkpoint."""

    def change(weight: Array) -> Array:
        rng, weight = np.random.default_rng(seed), weight.copy()
        moved = 2 * rng.integers(-6, 7, weight[rows].shape) * (rng.random(weight[rows].shape) < 0.6)
        weight[rows] = np.clip(weight[rows] + moved, -256, 254)
        return weight

    return change


def also_as(one: int, other: int) -> Into:
    """The key of one neuron matches the entry of another as well."""

    def change(now: Now, x: Array, past: list[Array]) -> Array:
        del now, past
        x = x.copy()
        x[other] += x[one]
        return x

    return change


def times(factor: int) -> Into:
    def change(now: Now, x: Array, past: list[Array]) -> Array:
        del now, past
        return x * factor

    return change


def twice_at_random(share: float) -> Into:
    def change(now: Now, x: Array, past: list[Array]) -> Array:
        del past
        return x + x * (np.random.default_rng((57, now.recording, now.step)).random(x.shape) < share)

    return change


def rounded_down(bits: int) -> Into:
    def change(now: Now, x: Array, past: list[Array]) -> Array:
        del now, past
        return x >> bits << bits

    return change


def groups_exchanged(now: Now, x: Array, past: list[Array]) -> Array:
    del now, past
    return np.roll(x, len(x) // 2, axis=0)


def edges_repeated(now: Now, node: Any, x: Array) -> Array:
    """Around a map its last rows and columns go on, where zeros are meant."""
    del now
    (ph, pw) = node.padding
    return convolved(node, np.pad(x, ((0, 0), (ph, ph), (pw, pw)), mode="edge"))


def halo_lost(row: int) -> Callable[[Now, Any, Array], Array]:
    """A map lies on two cores, and neither sees the other's rows."""

    def change(now: Now, node: Any, x: Array) -> Array:
        del now
        pad = ((0, 0), *((n, n) for n in node.padding))
        above, below = x.copy(), x.copy()
        above[:, row:], below[:, :row] = 0, 0
        upper = convolved(node, np.pad(above, pad))
        return np.concatenate([upper[:, :row], convolved(node, np.pad(below, pad))[:, row:]], axis=1)

    return change


def saturating(limit: int) -> Callable[[Now, Any, Array], Array]:
    """Weights are added one after the other, and each sum saturates."""

    def change(now: Now, node: Any, x: Array) -> Array:
        del now
        total = np.zeros(len(node.weight), np.int64)
        for i, count in enumerate(x):
            for _ in range(int(count)):
                total = np.clip(total + node.weight[:, i], -limit, limit - 1)
        return scaled(node, total)

    return change


def current_kept(now: Now, u: Array, v: Array) -> tuple[Array, Array]:
    del now
    return u, np.zeros_like(v)


def half_kept(now: Now, u: Array, v: Array) -> tuple[Array, Array]:
    del now
    return np.zeros_like(u), v >> 1


def wrapped_counts(bits: int) -> Callable[[Array], Array]:
    return lambda frames: frames & ((1 << bits) - 1)


def at_most(events: int) -> Callable[[Array], Array]:
    """A bus carries so many events in a step, the first ones."""

    def change(frames: Array) -> Array:
        flat = frames.reshape(*frames.shape[:2], -1).astype(np.int64)
        room = np.clip(events - (np.cumsum(flat, axis=2) - flat), 0, None)
        return np.minimum(flat, room).reshape(frames.shape).astype(frames.dtype)

    return change


def backwards(frames: Array) -> Array:
    return np.ascontiguousarray(frames[:, ::-1])


def time_wraps(steps: int) -> Callable[[Array], Array]:
    """Timestamps begin again at 0."""

    def change(frames: Array) -> Array:
        out = np.zeros_like(frames)
        for t in range(frames.shape[1]):
            out[:, t % steps] += frames[:, t]
        return out

    return change


def column_on(frames: Array) -> Array:
    """Addresses count from one; what falls off the field is lost."""
    out = np.zeros_like(frames)
    out[..., 1:] = frames[..., :-1]
    return out


def step_on(share: float) -> Callable[[Array], Array]:
    """So many of the events are counted in the step after."""

    def change(frames: Array) -> Array:
        late = np.random.default_rng(91).binomial(frames, share).astype(frames.dtype)
        out = frames - late
        out[:, 1:] += late[:, :-1]
        return out

    return change


def recorded_late(spikes: Array) -> Array:
    out = np.zeros_like(spikes)
    out[:, 1:] = spikes[:, :-1]
    return out


def recorder_full(most: int) -> Callable[[Array], Array]:
    """Of a recording the first spikes fit."""

    def change(spikes: Array) -> Array:
        flat = spikes.reshape(len(spikes), -1)
        return (flat & (np.cumsum(flat, axis=1) <= most)).reshape(spikes.shape)

    return change


def labels_exchanged(one: str, other: str) -> Slip:
    def change(layers: dict[str, LayerRecord]) -> dict[str, LayerRecord]:
        return {**layers, one: layers[other], other: layers[one]}

    return Slip(files=change)


def recordings_exchanged(one: int, other: int) -> Callable[[Array], Array]:
    return exchanged(0, one, other)


def early_votes(given: Array) -> Array:
    """A readout is asked a step before the last."""
    return given[:, -2]
