"""What goes wrong in the third list and in no other: queues, sources, recorders, addresses."""

from collections.abc import Callable

import numpy as np

from benchmarks.second.simulator import Array, Now, Slip
from benchmarks.second.slips import layers


def queue_lost(delay: str, at: int) -> Callable[[Now, Array, list[Array]], Array]:
    """A program that runs in chunks begins each with an empty queue."""

    def lose(now: Now, x: Array, past: list[Array]) -> Array:
        if now.node == delay and now.step == at:
            past[:-1] = [np.zeros_like(x) for _ in past[:-1]]
        return x

    return lose


def queue_left(delay: str, reader: str, steps: int) -> Slip:
    """What is still in the queue as a recording ends comes out in the next one."""
    entered: dict[tuple[int, int], Array] = {}
    last: dict[int, int] = {}

    def into(now: Now, x: Array, past: list[Array]) -> Array:
        del past
        if now.node == delay:
            entered[now.recording, now.step] = x
            last[now.recording] = now.step
            return x
        if now.node == reader and now.recording and now.step < steps:
            return x + entered[now.recording - 1, last[now.recording - 1] + 1 - steps + now.step]
        return x

    return Slip(into=into, mask=layers(delay, reader))


def capped(most: int) -> Callable[[Now, Array, list[Array]], Array]:
    """A queue with so many places: of a step the first events enter it."""

    def cap(now: Now, x: Array, past: list[Array]) -> Array:
        del now, past
        return x * (np.cumsum(x.reshape(-1)).reshape(x.shape) <= most)

    return cap


def thinned(share: float) -> Callable[[Now, Array, list[Array]], Array]:
    def lose(now: Now, x: Array, past: list[Array]) -> Array:
        del past
        return x * (np.random.default_rng((91, now.recording, now.step)).random(x.shape) >= share)

    return lose


def at_most(count: int) -> Callable[[Now, Array, list[Array]], Array]:
    def cut(now: Now, x: Array, past: list[Array]) -> Array:
        del now, past
        return np.minimum(x, count)

    return cut


def moved(by: int, axis: int) -> Callable[[Now, Array, list[Array]], Array]:
    """A map moved by pixels; what comes in from outside is 0."""

    def move(now: Now, x: Array, past: list[Array]) -> Array:
        del now, past
        if x.ndim < 3:
            return x
        out = np.roll(x, by, axis)
        edge: list[slice] = [slice(None)] * x.ndim
        edge[axis] = slice(0, by) if by > 0 else slice(by, None)
        out[tuple(edge)] = 0
        return out

    return move


def runs_dry(most: int) -> Callable[[Array], Array]:
    """A source stops after so many events of a recording."""

    def change(frames: Array) -> Array:
        flat = frames.reshape(len(frames), -1)
        return (flat * (np.cumsum(flat, axis=1) <= most)).reshape(frames.shape).astype(frames.dtype)

    return change


def banded(first: int, last: int) -> Callable[[Array], Array]:
    """Events of the steps from first on get the time of the last one."""

    def change(frames: Array) -> Array:
        out = frames.copy()
        out[:, last] = frames[:, first : last + 1].sum(axis=1)
        out[:, first:last] = 0
        return out

    return change


def transposed(frames: Array) -> Array:
    """Addresses are counted down the columns instead of along the rows."""
    return np.ascontiguousarray(frames.swapaxes(-1, -2)).reshape(frames.shape)


def one_polarity(frames: Array) -> Array:
    out = np.zeros_like(frames)
    out[:, :, 0] = frames.sum(axis=2)
    return out


def records(layer: str, change: Callable[[dict[str, Array]], Array]) -> Slip:
    """A recorder reads spikes from what it sees of a layer."""

    def writes(name: str, arrays: dict[str, Array]) -> dict[str, Array]:
        return {**arrays, "spikes": change(arrays)} if name == layer else arrays

    return Slip(writes=writes)


def starts_at(value: int) -> Callable[[Now, Array, Array], tuple[Array, Array]]:
    def start(now: Now, u: Array, v: Array) -> tuple[Array, Array]:
        del now, v
        return np.zeros_like(u), np.full_like(u, value)

    return start
