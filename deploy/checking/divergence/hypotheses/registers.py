"""Registers and numbers of the wrong size: bits, bounds, factors, decays and starts looked for from spikes alone."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from deploy import grid
from deploy.checking.divergence.evidence import left_wrong
from deploy.checking.divergence.hypotheses.fitted import fitted
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.hypotheses.states import look
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, GridNeuron
from deploy.traces.trace import Trace


@hypothesis("register", "neuron")
def bits(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Currents, potentials and sums in registers of fewer bits, that wrap or are cut off there."""
    seen = look(setup, layer, trace)
    if seen is None:
        return
    largest = {kind: int(np.abs(seen.of_due(kind)).max(initial=0)) for kind in ("u", "potential", "sums")}
    for size in range(8, 23):
        if largest["u"] >> (size - 1):
            yield Candidate(
                f"current-wraps|the current wraps at {size} bits", setup.with_rules(layer, current_bits=size)
            )
            yield Candidate(
                f"current-saturates|the current saturates at {size} bits",
                setup.with_rules(layer, current_bits=size, current_saturates=True),
            )
        if largest["potential"] >> (size - 1):
            text = f"potential-wraps|the potential wraps at {size} bits"
            yield Candidate(text, setup.with_rules(layer, potential_bits=size, potential_wraps=True))
        if largest["sums"] >> (size - 1):
            yield Candidate(f"sums-wrap|sums of inputs wrap at {size} bits", setup.with_rules(layer, sums_wrap=size))


@hypothesis("gain", "synapse")
def gains(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Sums that are scaled by a decay, or by what it leaves, or by any factor of 4096ths that u tells."""
    seen = look(setup, layer, trace)
    if seen is None:
        return
    du, dv = (np.unique(seen.full(name)) for name in ("du", "dv"))
    named: dict[int, str] = {}
    for values, what in ((du + 1, "the decay du + 1"), (du, "the decay du"), (dv, "the decay dv")):
        if len(values) == 1:
            named.setdefault(int(values[0]), what)
            named.setdefault(grid.DECAY_ONE - int(values[0]), f"4096 less {what}")
    named |= {grid.DECAY_ONE >> 1: "a half", grid.DECAY_ONE << 1: "two", grid.DECAY_ONE << 2: "four"}
    if seen.u is not None:
        a = seen.of_due("sums", len(seen.u)).astype(np.int64) << grid.STATE_BITS
        first = seen.u[:, 0]
        r = np.unravel_index(int(np.abs(a[:, 0]).argmax()), first.shape)
        if a[:, 0][r]:
            low = int(first[r]) * grid.DECAY_ONE // int(a[:, 0][r])
            for value in (low - 1, low, low + 1):
                named.setdefault(value, "a factor that u tells")
    for gain, what in named.items():
        if 0 < gain != grid.DECAY_ONE:
            text = f"what arrives is scaled by {gain} / 4096 as it enters the current: {what}"
            yield Candidate(text, setup.with_rules(layer, gain=gain))


@hypothesis("sums", "synapse", searches=True)
def bounded_sums(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Sums cut off above, below, or on both sides, at whatever bound."""
    seen = look(setup, layer, trace)
    if seen is None:
        return
    sums, far = seen.of_due("sums"), 1 << 40
    low, high = int(sums.min()), int(sums.max())
    sides: list[tuple[int, Callable[[int], tuple[int, int]], str]] = [
        (high, lambda top: (-far, top), "above {}"),
        (-low, lambda top: (-top, far), "below -{}"),
        (max(high, -low), lambda top: (-top, top), "beyond -{0} and {0}"),
    ]
    for most, make, words in sides:
        yield from fitted(
            setup,
            layer,
            trace,
            (0, most - 1),
            lambda top, make=make: setup.with_rules(layer, sums_between=make(top)),
            lambda top, words=words: f"sums of inputs saturate, they are cut off {words.format(top)}",
        )


@hypothesis("floor", "neuron", searches=True)
def floors(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A potential that does not fall below some bound."""
    seen = look(setup, layer, trace)
    if seen is None:
        return
    if seen.v is not None:
        wrong = left_wrong(setup, trace, layer)
        guilty = seen.v if wrong is None else seen.v[:, :, wrong.any(axis=(0, 1))]
        if guilty.size and guilty.min() < 0:
            yield _floored(setup, layer, int(guilty.min()))
            return
    lowest = int(seen.of_due("potential").min())
    yield from fitted(
        setup,
        layer,
        trace,
        (lowest, 0),
        lambda floor: setup.with_rules(layer, floor=floor),
        lambda floor: f"the potential has a floor, it does not fall below {floor:,}",
    )


def _floored(setup: Setup, layer: str, floor: int) -> Candidate:
    text = f"the potential has a floor, it does not fall below {floor:,}"
    return Candidate(text, setup.with_rules(layer, floor=floor))


@hypothesis("constant", "neuron", searches=True)
def constants(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A decay, or the start of the potential, that spikes alone tell of."""
    node, seen = setup.network.nodes[layer], look(setup, layer, trace)
    if not isinstance(node, GridNeuron) or seen is None or seen.v is not None:
        return
    for which, what in (("dv", "potential"), ("du", "current")):
        if which == "du" and not node.has_current:
            continue
        here = seen.full(which).flat[0]

        def other(value: int, which: str = which) -> Setup:
            return setup.with_node(layer, **{which: np.full(node.shape, value)})

        yield from fitted(
            setup,
            layer,
            trace,
            (0, grid.DECAY_ONE - 1),
            other,
            lambda value, which=which, what=what, here=here: (
                f"{what}-decay|the decay {which} of the {what} is {value} there, {here} here"
            ),
        )
    yield from _starts(setup, layer, trace, node)


def _starts(setup: Setup, layer: str, trace: Trace, node: GridNeuron) -> Iterator[Candidate]:
    if node.vth is None:
        return
    top = int(np.max(node.vth)) << grid.STATE_BITS
    count = len(setup.frames if setup.whole is None else setup.whole)
    for low, high in ((1, top), (-top, -1)):
        yield from fitted(
            setup,
            layer,
            trace,
            (low, high),
            lambda value: setup.with_rules(layer, start=np.full((count, *node.shape), value)),
            lambda value: f"starts|the potential starts at {value:,} instead of 0",
        )


PER_CHANNEL = ("bias", "dv", "du", "vth")


@hypothesis("order", "neuron")
def orders(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A parameter of another channel: the next one's, the one's before, or the first one's for all."""
    node = setup.network.nodes[layer]
    if not isinstance(node, GridNeuron):
        return
    for name in PER_CHANNEL:
        values: Any = getattr(node, name)
        if values is None or np.ndim(values) == 0 or np.shape(values)[0] < 2 or (values == values[:1]).all():
            continue
        for made, words in _reordered(values):
            if not np.array_equal(made, values):
                text = f"{name}|{name}: {words}"
                yield Candidate(text, setup.with_node(layer, **{name: made}))
    if not np.array_equal(node.du, node.dv):
        text = "decays-exchanged|the decays are exchanged: du is taken for dv, and dv for du"
        yield Candidate(text, setup.with_node(layer, du=node.dv, dv=node.du))


def _reordered(values: Array) -> Iterator[tuple[Array, str]]:
    yield np.broadcast_to(values[:1], values.shape).copy(), "the first channel's stands for all"
    yield np.roll(values, 1, axis=0), "every channel has that of the channel before"
    yield np.roll(values, -1, axis=0), "every channel has that of the channel after"
    yield values[::-1].copy(), "the channels stand in reverse order"
