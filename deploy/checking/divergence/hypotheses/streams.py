"""Mistakes of an event stream: a source that stops after so many events, events of several steps stamped with one."""

from collections.abc import Iterator

import numpy as np

from deploy.checking.divergence.confine import shown_in
from deploy.checking.divergence.evidence import left_wrong
from deploy.checking.divergence.hypotheses.fitted import fitted
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
