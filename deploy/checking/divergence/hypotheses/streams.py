"""Mistakes of an event stream: a source or a bus that is full, stamps that begin again or stand still."""

from collections.abc import Iterator

import numpy as np

from deploy.checking.divergence.confine import shown_in
from deploy.checking.divergence.evidence import left_wrong
from deploy.checking.divergence.hypotheses.fitted import Few, fitted
from deploy.checking.divergence.hypotheses.inputs import reads_input
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.setup import Setup, View
from deploy.network import Array
from deploy.traces.trace import Trace

LONGEST, EARLIER = 5, 2
"""Steps that are stamped with one, and by how many they may begin before the first that is wrong."""


@hypothesis("input-ends", "input", searches=True)
def runs_dry(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """After so many events of a recording no more of them arrive."""
    if not reads_input(setup, layer):
        return
    events = setup.seen.reshape(len(setup.frames), -1).sum(axis=1, dtype=np.int64)

    def ended(most: int) -> Setup:
        def change(frames: Array, numbers: Array) -> Array:
            del numbers
            flat = frames.reshape(len(frames), -1)
            return (flat * (np.cumsum(flat, axis=1, dtype=np.int64) <= most)).reshape(frames.shape)

        return setup.with_view(change)

    yield from fitted(
        setup,
        layer,
        trace,
        (0, int(events.max()) - 1),
        ended,
        lambda most: (
            f"of every recording the first {most:,} events arrive, those after them are lost: the source stops"
        ),
    )


@hypothesis("input-congestion", "input", searches=True)
def full_bus(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Of every step so many events arrive, the first ones by their addresses: whole counts, or parts of one."""
    if not reads_input(setup, layer):
        return
    events = setup.seen.reshape(*setup.seen.shape[:2], -1).sum(axis=2, dtype=np.int64)
    for whole, told in ((False, ""), (True, ", of a pixel all or none")):
        yield from fitted(
            setup,
            layer,
            trace,
            (1, int(events.max()) - 1),
            lambda most, whole=whole: setup.with_view(_carried(most, whole)),
            lambda most, told=told: f"at most {most:,} events a step arrive, the first ones, the rest is lost{told}",
        )


def _carried(most: int, whole: bool) -> View:
    def change(frames: Array, numbers: Array) -> Array:
        del numbers
        flat = frames.reshape(*frames.shape[:2], -1).astype(np.int64)
        total = np.cumsum(flat, axis=2)
        kept = flat * (total <= most) if whole else np.minimum(flat, (most - total + flat).clip(0))
        return kept.reshape(frames.shape).astype(frames.dtype)

    return change


@hypothesis("input-stamps", "input", searches=True)
def stamps_wrap(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Timestamps begin again at 0 after some steps, so that later events come with the first ones."""
    wrong = left_wrong(setup, trace, layer) if reads_input(setup, layer) else None
    if wrong is None or not wrong.any():
        return
    few, steps = Few(setup, trace, layer, wrong), setup.frames.shape[1]
    least: tuple[int, int] | None = None
    for period in range(1, steps):
        left = few.left(setup.with_view(_wrapped(period)))
        if left is not None and (least is None or left.sum() < least[0]):
            least = int(left.sum()), period
    if least is not None and least[0] < few.wrong.sum():
        text = f"the timestamps wrap: events from step {least[1]} on come with those of step 0 on"
        yield Candidate(text, setup.with_view(_wrapped(least[1])))


def _wrapped(period: int) -> View:
    def change(frames: Array, numbers: Array) -> Array:
        del numbers
        out = np.zeros(frames.shape, np.int64)
        for step in range(frames.shape[1]):
            out[:, step % period] += frames[:, step]
        return out.clip(0, np.iinfo(frames.dtype).max).astype(frames.dtype)

    return change


@hypothesis("input-stamps", "input")
def one_stamp(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Events of some steps in a row all come in the last, or in the first, of them."""
    wrong = left_wrong(setup, trace, layer) if reads_input(setup, layer) else None
    if wrong is None or not wrong.any():
        return
    first, _ = shown_in(wrong)
    for start in range(first, max(first - EARLIER, 0) - 1, -1):
        for stop in range(start + 1, min(start + LONGEST, wrong.shape[1])):
            for at in (stop, start):
                text = f"the events of steps {start} to {stop} all come in step {at}"
                yield Candidate(text, setup.with_view(_stamped(start, stop, at)))


def _stamped(start: int, stop: int, at: int) -> View:
    def change(frames: Array, numbers: Array) -> Array:
        del numbers
        out = frames.copy()
        out[:, start : stop + 1] = 0
        out[:, at] = frames[:, start : stop + 1].sum(axis=1).clip(0, np.iinfo(frames.dtype).max)
        return out

    return change
