"""What goes wrong in the fifth list: queues that outlive a recording, sums that are not cleared, cores that lag."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.second.simulator import Array, Mask, Now, Slip


def both(one: Mask, other: Mask) -> Mask:
    return lambda now: np.logical_or(one(now), other(now))


def from_step(first: int, mask: Mask) -> Mask:
    return lambda now: mask(now) if now.step >= first else False


def left_over(node: str, steps: int, total: int) -> Slip:
    """What waits in a delay when a recording ends comes out in the next one."""
    seen: dict[tuple[int, int], Array] = {}

    def gives(now: Now, _: Any, x: Array) -> Array:
        seen[now.recording, now.step] = x.copy()
        if now.step < steps:
            return seen.get((now.recording - 1, total - steps + now.step), np.zeros_like(x))
        return seen[now.recording, now.step - steps]

    return Slip(gives=gives, mask=lambda now: now.node == node)


def summing(rows: slice) -> Callable[[Now, Array], Array]:
    """What arrives is added to what arrived before, in some neurons."""
    held: dict[tuple[str, int, int], Array] = {}

    def change(now: Now, a: Array) -> Array:
        total = a + held.get((now.node, now.recording, now.step - 1), np.zeros_like(a))
        held[now.node, now.recording, now.step] = total
        given = a.copy()
        given[rows] = total[rows]
        return given

    return change


def lagging(by: int) -> Callable[[Now, Array], Array]:
    """What arrives is handled so many steps later."""
    held: dict[tuple[str, int, int], Array] = {}

    def change(now: Now, a: Array) -> Array:
        held[now.node, now.recording, now.step] = a.copy()
        return held[now.node, now.recording, now.step - by] if now.step >= by else np.zeros_like(a)

    return change


def at_most(most: int) -> Callable[[Now, Array, list[Array]], Array]:
    """No more than so many spikes of a step are let through, the first ones."""

    def cap(now: Now, x: Array, past: list[Array]) -> Array:
        del now, past
        flat = x.reshape(-1)
        return (flat * (np.cumsum(flat > 0) <= most)).reshape(x.shape)

    return cap


def ones(now: Now, x: Array, past: list[Array]) -> Array:
    """OR where spikes should be added."""
    del now, past
    return np.minimum(x, 1)


def largest(now: Now, node: Any, x: Array) -> Array:
    """The largest of a window of 2 x 2, not the sum."""
    del now, node
    channels, height, width = x.shape
    return x.reshape(channels, height // 2, 2, width // 2, 2).max(axis=(2, 4))


def one_on(now: Now, x: Array, past: list[Array]) -> Array:
    """All zeros of the padding lie behind the map, as where a stride of 2 has "same" padding: the map moves by one."""
    del now, past
    moved = np.zeros_like(x)
    moved[..., :-1, :-1] = x[..., 1:, 1:]
    return moved


def narrow(bits: int, rows: Any = slice(None)) -> Callable[[Array], Array]:
    """Weights stored in too few bits wrap."""
    half = 1 << (bits - 1)

    def change(weight: Array) -> Array:
        weight = weight.copy()
        weight[rows] = (weight[rows] + half) % (2 * half) - half
        return weight

    return change


def zeroed(*index: Any) -> Callable[[Array], Array]:
    def change(weight: Array) -> Array:
        weight = weight.copy()
        weight[index] = 0
        return weight

    return change


def small_lost(below: int) -> Callable[[Array], Array]:
    return lambda weight: np.where(abs(weight) < below, 0, weight)


def truncated(step: int) -> Callable[[Array], Array]:
    return lambda weight: np.sign(weight) * (abs(weight) // step) * step


def fan_out(most: int) -> Callable[[Array], Array]:
    """Each source reaches only its first so many targets."""

    def change(weight: Array) -> Array:
        return np.where(np.cumsum(weight != 0, axis=0) <= most, weight, 0)

    return change


def without_self(weight: Array) -> Array:
    return weight * (1 - np.eye(len(weight), dtype=weight.dtype))


def interleaved(axis: int = 0) -> Callable[[Array], Array]:
    """Two processing elements take the even and the odd ones, and are read out one after the other."""

    def change(weight: Array) -> Array:
        order = np.arange(weight.shape[axis])
        return np.take(weight, np.concatenate([order[::2], order[1::2]]), axis)

    return change


def channels_last(channels: int) -> Callable[[Array], Array]:
    """Columns of a dense layer in the order of (H, W, C)."""

    def change(weight: Array) -> Array:
        order = np.arange(weight.shape[1]).reshape(channels, -1).T.reshape(-1)
        return weight[:, order]

    return change


def positive(column: int) -> Callable[[Array], Array]:
    def change(weight: Array) -> Array:
        weight = weight.copy()
        weight[:, column] = abs(weight[:, column])
        return weight

    return change


def powers_of_two(dv: Array) -> Array:
    """A leak by a shift."""
    return (1 << np.round(np.log2(np.maximum(dv, 1))).astype(np.int64)).astype(np.int64)


def moved_by(seed: int, most: int, neurons: int, rows: Any = slice(None)) -> Callable[[Array], Array]:
    """A calibration that is off by another amount in each neuron."""

    def change(value: Array) -> Array:
        rng = np.random.default_rng(seed)
        given = np.broadcast_to(value, (neurons,)).astype(np.int64).copy()
        given[rows] += rng.integers(-most, most + 1, neurons)[rows]
        return given

    return change


def written_kind(layer: str, kinds: tuple[str, ...], change: Callable[[Array], Array]) -> Slip:
    """What a recorder makes of some arrays (R, T, ...) of a layer."""

    def writes(name: str, arrays: dict[str, Array]) -> dict[str, Array]:
        if name != layer:
            return arrays
        return {kind: change(array) if kind in kinds else array for kind, array in arrays.items()}

    return Slip(writes=writes)


def a_step_late(array: Array) -> Array:
    given = np.zeros_like(array)
    given[:, 1:] = array[:, :-1]
    return given


def second_half_only(array: Array) -> Array:
    given = array.copy()
    given[:, : array.shape[1] // 2] = 0
    return given


def recorder_full(most: int) -> Callable[[Array], Array]:
    """A recorder has room for so many spikes of a step."""

    def change(array: Array) -> Array:
        flat = array.reshape(*array.shape[:2], -1)
        return (flat & (np.cumsum(flat, axis=2) <= most)).reshape(array.shape)

    return change


def always(value: int) -> Callable[[Now, Array, Array], tuple[Array, Array]]:
    def start(now: Now, u: Array, v: Array) -> tuple[Array, Array]:
        del now
        return np.zeros_like(u), np.full_like(v, value)

    return start


def of_layers(*names: str) -> Mask:
    return lambda now: now.node in names
