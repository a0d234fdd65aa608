"""Between which values every register stays for all inputs, from the weights alone (interval arithmetic).

Whatever arrives lies between 0 and the largest count, or is a spike; each sum lies between that of its negative and of
its positive weights (Moore, "Interval Analysis", 1966, chapter 3). What a neuron makes of a sum never falls where the
sum or the state before rises, so its bounds follow from the bounds before. A state lies within bounds for any number of
steps where a step leads from within them to within them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from deploy.grid import DECAY_BITS, DECAY_ONE, DU_IMMEDIATE, STATE_BITS, U_WRAP, V_MAX, toward_zero
from deploy.network import Array, Conv, Delay, Dense, Flatten, GridNeuron, Input, Network, SumPool, exactly
from deploy.network.ops import apply

U_MIN, U_MAX = -U_WRAP // 2, U_WRAP // 2 - 1
SETTLING = 1 << 10
"""Steps after which bounds that still move are widened to where they must stand still, or to none."""
ENDLESS = 1 << 40
"""A sum that reaches this has no bound that matters: it left 24 bits long before."""


class Interval(NamedTuple):
    """Elementwise bounds, both included, int64 of one shape."""

    low: Array
    high: Array


Step = Callable[[Interval], Interval]


@dataclass(frozen=True, kw_only=True)
class Registers:
    """The bounds of one layer: of its sums, of u before it wraps, of v before it saturates, each of all its neurons.

    Those of u hold until it wraps; where it may, v is bounded for every u of 24 bits. steps: for how many steps from
    rest they hold; None: any number. None in place of u or v: no bounds were found.
    """

    layer: str
    steps: int | None
    sums: tuple[int, int]
    u: tuple[int, int] | None
    v: tuple[int, int] | None

    @property
    def never_overflows(self) -> bool:
        """Whether it is proven that u never wraps and v never saturates."""
        return (
            self.u is not None
            and self.v is not None
            and self.u[0] >= U_MIN
            and self.u[1] <= U_MAX
            and self.v[0] >= -V_MAX
            and self.v[1] <= V_MAX
        )


def ranges(network: Network, largest_count: int, steps: int | None) -> tuple[Registers, ...]:
    """The registers of every layer, in order of execution.

    Args:
        network: on the grid.
        largest_count: that a frame may hold.
        steps: of a recording; None: any number.

    Raises:
        UnsupportedError: neurons of a kind that is not known here.
    """
    values = _values(network, largest_count)
    found = []
    for name, node in network.neurons.items():
        known = exactly(name, node, "the proof of ranges", GridNeuron, every_reset=True)
        found.append(_registers(name, known, values[name], steps))
    return tuple(found)


def _values(network: Network, largest_count: int) -> dict[str, Interval]:
    """By node, what arrives at it (neurons) or leaves it (all else), each element."""
    given: dict[str, Interval] = {name: _constant(shape, 0, 0) for name, shape in network.shapes.items()}
    for _ in range(len(network.nodes) + 1):
        before = dict(given)
        for name in network.order:
            node = network.nodes[name]
            if isinstance(node, Input):
                given[name] = _constant(network.shapes[name], 0, largest_count)
                continue
            given[name] = _through(node, _arriving(network, name, given))
        if all(np.array_equal(a, b) for name in given for a, b in zip(given[name], before[name], strict=True)):
            return given
    # A cycle without neurons adds up for ever.
    moved = [name for name in given if not np.array_equal(given[name].high, before[name].high)]  # pyright: ignore
    return given | {name: _constant(network.shapes[name], -ENDLESS, ENDLESS) for name in moved}


def _arriving(network: Network, name: str, given: dict[str, Interval]) -> Interval:
    sources = network.sources(name)
    parts = [
        _constant(network.shapes[source], 0, 1) if source in network.neurons else given[source] for source in sources
    ]
    return Interval(*(np.clip(sum(side), -ENDLESS, ENDLESS) for side in zip(*parts, strict=True)))


def _through(node: object, x: Interval) -> Interval:
    match node:
        case Dense() | Conv():
            weight = node.weight.astype(np.float64)
            up, down = (type(node)(**{**vars(node), "weight": part}) for part in (weight.clip(0), weight.clip(None, 0)))
            low = _applied(up, x.low) + _applied(down, x.high)
            high = _applied(up, x.high) + _applied(down, x.low)
            return Interval(*(_shifted(side, node.weight_exp) for side in (low, high)))
        case SumPool():
            return Interval(_applied(node, x.low), _applied(node, x.high))
        case Flatten():
            return Interval(x.low.ravel(), x.high.ravel())
        case Delay():
            # Until the first input is through, it gives zeros.
            return Interval(np.minimum(x.low, 0), np.maximum(x.high, 0))
        case _:
            return x


def _applied(node: Dense | Conv | SumPool, x: Array) -> Array:
    # Sums below 2^53 are exact in float64, and `ENDLESS` times the weights of a row does not come near it.
    return apply(node, x[None].astype(np.float64))[0].astype(np.int64)


def _shifted(x: Array, exponent: int) -> Array:
    return np.clip(x << min(exponent, 20) if exponent >= 0 else x >> min(-exponent, 62), -ENDLESS, ENDLESS)


def _constant(shape: tuple[int, ...], low: int, high: int) -> Interval:
    return Interval(np.full(shape, low, np.int64), np.full(shape, high, np.int64))


def _registers(name: str, node: GridNeuron, sums: Interval, steps: int | None) -> Registers:
    u = _current(node, sums, steps)
    # A current that may wrap can be anything that 24 bits hold.
    inside = None if u is None else Interval(u.low.clip(U_MIN, U_MAX), u.high.clip(U_MIN, U_MAX))
    wraps = u is None or bool((u.low < U_MIN).any() or (u.high > U_MAX).any())
    held = _constant(node.shape, U_MIN, U_MAX) if inside is None or wraps else inside
    v = _potential(node, held, steps)
    return Registers(layer=name, steps=steps, sums=_extremes(sums), u=u and _extremes(u), v=v and _extremes(v))


def _extremes(x: Interval) -> tuple[int, int]:
    return int(x.low.min()), int(x.high.max())


def _current(node: GridNeuron, sums: Interval, steps: int | None) -> Interval | None:
    keep = np.broadcast_to(DU_IMMEDIATE - np.asarray(node.du, np.int64), node.shape)
    added = Interval(sums.low << STATE_BITS, sums.high << STATE_BITS)

    def step(u: Interval) -> Interval:
        return Interval(*(toward_zero(side * keep, DECAY_BITS) + more for side, more in zip(u, added, strict=True)))

    return _hull(step, keep, added, node.shape, steps)


def _potential(node: GridNeuron, u: Interval, steps: int | None) -> Interval | None:
    keep = np.broadcast_to(DECAY_ONE - np.asarray(node.dv, np.int64), node.shape)
    bias = np.broadcast_to(np.asarray(node.bias, np.int64), node.shape)
    added = Interval(u.low + bias, u.high + bias)

    def driven(v: Interval) -> Interval:
        return Interval(*(toward_zero(side * keep, DECAY_BITS) + more for side, more in zip(v, added, strict=True)))

    def step(v: Interval) -> Interval:
        """From the potential before the reset, of the step before, to that of this step."""
        threshold = node.firing_potential
        if threshold is None or node.reset_mechanism == "none":
            return driven(v)
        silent = Interval(np.minimum(v.low, threshold), np.minimum(v.high, threshold))
        fired = Interval(np.maximum(v.low, threshold + 1), v.high)
        zero = _constant(node.shape, 0, 0)
        if node.reset_mechanism == "zero":
            after = zero if node.reset_delay else driven(zero)
        elif node.reset_delay:
            after = Interval(*(side - threshold for side in driven(fired)))
        else:
            after = driven(Interval(*(side - threshold for side in fired)))
        return _either(driven(silent), after, v.high > threshold, v.low > threshold)

    return _hull(step, keep, added, node.shape, steps)


def _either(one: Interval, other: Interval, possible: Array, surely: Array) -> Interval:
    """The hull of `one` and, where it is possible, `other`; of `other` alone where that is sure."""
    low = np.where(possible, np.where(surely, other.low, np.minimum(one.low, other.low)), one.low)
    high = np.where(possible, np.where(surely, other.high, np.maximum(one.high, other.high)), one.high)
    return Interval(low, high)


def _hull(step: Step, keep: Array, added: Interval, shape: tuple[int, ...], steps: int | None) -> Interval | None:
    """All that a state reaches from 0, in so many steps, before it wraps or saturates; None: no bounds."""
    hull = state = _constant(shape, 0, 0)
    for _ in range(SETTLING if steps is None else steps):
        state = step(state if steps is not None else hull)
        wider = Interval(np.minimum(hull.low, state.low), np.maximum(hull.high, state.high))
        if steps is None and all(np.array_equal(a, b) for a, b in zip(wider, hull, strict=True)):
            return hull
        hull = wider
        if max(int(hull.high.max()), -int(hull.low.min())) > ENDLESS:
            return None
    if steps is not None:
        return hull
    return _widened(step, keep, added, hull)


def _widened(step: Step, keep: Array, added: Interval, hull: Interval) -> Interval | None:
    """Bounds that a step does not leave, by the sum of a geometric series; None where what is kept never fades."""
    if (keep == DECAY_ONE).any():
        return None
    fades = DECAY_ONE - keep
    low = -((-added.low.clip(None, 0) * DECAY_ONE + fades - 1) // fades)
    high = (added.high.clip(0) * DECAY_ONE + fades - 1) // fades
    wide = Interval(np.minimum(hull.low, low), np.maximum(hull.high, high))
    after = step(wide)
    stays = bool((after.low >= wide.low).all() and (after.high <= wide.high).all())
    return wide if stays else None
