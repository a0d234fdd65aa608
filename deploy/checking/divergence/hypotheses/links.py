"""Mistakes between layers: what is lost, held up, cut or moved on the way from neurons to those that they feed."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from deploy.checking.divergence.hypotheses.fitted import fitted
from deploy.checking.divergence.hypotheses.inputs import moved
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.paths import Change, Way, changed, entering, of_recordings, through, ways, with_sums
from deploy.checking.divergence.replay import later
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, GridNeuron
from deploy.traces.trace import Trace


def usable(setup: Setup, layer: str) -> bool:
    return setup.schedule == "synchronous" and isinstance(setup.network.nodes[layer], GridNeuron)


def _said(way: Way) -> str:
    """Where something happens: "what lif1 sends through wait3 into far"."""
    through_delay = f" through {way.delay}" if way.delay else ""
    return f"what {way.source} sends{through_delay} into {way.name}"


@hypothesis("link", "synapse")
def changed_links(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """One rule for all that enters a way."""
    if not usable(setup, layer):
        return
    several = len(setup.network.sources(layer)) > 1
    for way in ways(setup.network, layer):
        x, said = entering(setup, way, trace), _said(way)
        for kind, text, change in _changes(x, several=several, first=way.source == setup.network.input):
            yield Candidate(f"{kind}|{said}: {text}", changed(setup, way, trace, change))


def _changes(x: Array, *, several: bool, first: bool) -> Iterator[tuple[str, str, Change]]:
    if x.max(initial=0) > 1 and not first:
        yield "counts-cut", "counts are cut to 0 and 1", lambda x, n: np.minimum(x, 1)
    yield "lost", "it is lost", lambda x, n: np.zeros_like(x)
    if not first:
        yield "twice", "it arrives twice", lambda x, n: x * 2
        for bits in range(1, int(x.max(initial=0)).bit_length()):
            text = f"counts lose their {bits} lowest bit(s), rounded down to a multiple of {1 << bits}"
            yield "counts-rounded", text, lambda x, n, bits=bits: x >> bits << bits
        yield from _orders(x)
        yield (
            "second-lost",
            "the second of two spikes in a row is lost: none follows one of the step before",
            _not_twice,
        )
    if several:
        for by in (1, 2):
            yield "late", f"it arrives {by} step(s) late", lambda x, n, by=by: later(x, by)
    if x.ndim == 5 and not first:
        for axis, way in ((-2, "down"), (-1, "to the right")):
            for by in (1, -1):
                text = f"the map is moved by {by:+d} {way}, as with other padding or another phase of the stride"
                yield "moved", text, lambda x, n, by=by, axis=axis: moved(x, by, axis)
        for by, side in ((-1, "before"), (1, "behind")):
            text = f"the map is moved by {by:+d} down and to the right, the padding {side} it is missing"
            yield "moved", text, lambda x, n, by=by: moved(moved(x, by, -2), by, -1)


def _orders(x: Array) -> Iterator[tuple[str, str, Change]]:
    """Channels that stand in another order: those of the other group, of a neighbor, in reverse."""
    if x.ndim != 5 or x.shape[2] < 2:
        return
    count = x.shape[2]
    for by in dict.fromkeys((count // 2, count // 4, 1, -1)):
        if by:
            groups = f": those of the other {'half' if by == count // 2 else 'quarter'}" if abs(by) > 1 else ""
            text = f"the channels are rolled by {by:+d}{groups}, in another order"
            yield "channels", text, lambda x, n, by=by: np.roll(x, by, axis=2)
    yield "channels", "the channels stand in reverse order", lambda x, n: x[:, :, ::-1]


def _not_twice(x: Array, numbers: Array) -> Array:
    del numbers
    return np.where(later(x, 1) > 0, 0, x)


def first_of(most: int) -> Change:
    """Of every step the first so many events, in the order of their addresses."""

    def cap(x: Array, numbers: Array) -> Array:
        del numbers
        flat = x.reshape(*x.shape[:2], -1)
        before = np.cumsum(flat, axis=2, dtype=np.int64)
        return (flat * (before <= most)).reshape(x.shape)

    return cap


@hypothesis("congestion", "synapse", searches=True)
def congested(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """No more than so many spikes a step get through."""
    if not usable(setup, layer):
        return
    for way in ways(setup.network, layer):
        if way.source == setup.network.input:
            continue
        per_step = entering(setup, way, trace).reshape(len(trace.predictions), trace.steps, -1).sum(axis=2)
        low, high = 1, int(per_step.max()) - 1
        yield from fitted(
            setup,
            layer,
            trace,
            (low, high),
            lambda most, way=way: changed(setup, way, trace, first_of(most)),
            lambda most, way=way: (
                f"{_said(way)}: at most {most} spikes a step arrive, the first ones, the rest is lost"
            ),
        )


@hypothesis("inputs-lost", "synapse", searches=True)
def inputs_beyond(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Only the first so many inputs are connected."""
    if not usable(setup, layer):
        return
    for way in ways(setup.network, layer):
        inputs = entering(setup, way, trace).shape[2:]
        if len(inputs) != 1 or way.source == setup.network.input:
            continue

        def cut(count: int, way: Way = way) -> Setup:
            def change(x: Array, numbers: Array) -> Array:
                del numbers
                return np.where(np.arange(x.shape[2]) < count, x, 0)

            return changed(setup, way, trace, change)

        yield from fitted(
            setup,
            layer,
            trace,
            (1, inputs[0] - 1),
            cut,
            lambda count, way=way: (
                f"{_said(way)}: only inputs 0 to {count - 1} are heard, those after them bring nothing"
            ),
        )


@hypothesis("kept-on-the-way", "timing")
def left_over(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """What was on its way as a recording ended arrives in the next: a queue, or a recurrent edge, is not emptied."""
    if not usable(setup, layer):
        return
    # What a delay still holds is known where its source is a layer that was recorded.
    behind = [
        way
        for way in ways(setup.network, layer)
        if way.behind and (way.behind == way.late or way.source in trace.spiking)
    ]
    sets = [[way] for way in behind]
    back = [way for way in behind if way.late]
    sets += [back] if len(back) > 1 else []
    for chosen in sets:
        names = " and ".join(way.delay or way.name for way in chosen)
        text = f"{names}: what was on its way as the recording before ended arrives: not emptied between recordings"
        yield Candidate(text, with_sums(setup, layer, _left(setup, trace, chosen)))


def _left(setup: Setup, trace: Trace, chosen: list[Way]) -> Callable[[Array], Array]:
    def adds(numbers: Array) -> Array:
        before = np.maximum(numbers - 1, 0)
        parts = [_tail(setup, trace, way, numbers, before) for way in chosen]
        return sum(parts[1:], start=parts[0])

    return adds


def _tail(setup: Setup, trace: Trace, way: Way, numbers: Array, before: Array) -> Array:
    """What the recordings before bring in the first steps of these."""
    order, back = np.unique(before, return_inverse=True)
    entered = of_recordings(setup, way, trace, order)[back]
    at_once = replace(way, late=0)
    x, held = np.zeros_like(entered), way.behind - way.late
    if held:
        x[:, :held] = _sent(setup, way, trace, order, entered)[back][:, -held:]
    sums = through(setup.network, way, x)
    if way.late:
        sums[:, : way.late] += through(setup.network, at_once, entered)[:, -way.late :]
    sums[numbers == 0] = 0
    return sums


def _sent(setup: Setup, way: Way, trace: Trace, numbers: Array, like: Array) -> Array:
    """What entered the delay itself."""
    whole = setup.recorded if setup.recorded is not None and not np.array_equal(numbers, setup.numbers) else None
    sent = trace.output(way.source) if whole is None else whole.take(numbers.tolist()).output(way.source)
    return sent.reshape(*sent.shape[:2], *like.shape[2:]).astype(like.dtype)
