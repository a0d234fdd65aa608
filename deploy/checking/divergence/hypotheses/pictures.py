"""Mistakes in frames that need looking for: other recordings, lost steps, blank regions, single pixels."""

from collections.abc import Iterator

import numpy as np

from deploy.checking.divergence.evidence import left_wrong
from deploy.checking.divergence.hypotheses.inputs import reads_input
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.places import numbers as listed
from deploy.checking.divergence.setup import Setup, View
from deploy.network import Array
from deploy.traces.trace import Trace

MOST_RECORDINGS = 12
"""Recordings among which one is looked for that was taken for another."""
MOST_PIXELS = 40


@hypothesis("input-recordings", "input")
def other_recordings(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The frames of one recording are taken for those of another."""
    whole = setup.whole
    if whole is None or len(whole) > 64 or not reads_input(setup, layer):
        return
    taken = np.arange(len(whole))
    wrong = left_wrong(setup, trace, layer)
    if wrong is None:
        return
    guilty = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))[:MOST_RECORDINGS]
    others = np.arange(len(whole))[:MOST_RECORDINGS]
    for other in others:
        left = left_wrong(setup.with_view(lambda f, n, r=int(other): np.broadcast_to(whole[r], f.shape)), trace, layer)
        if left is not None:
            for row in guilty:
                if not left[row].any():
                    taken[setup.numbers[row]] = other
    moved = np.flatnonzero(taken != np.arange(len(taken)))
    if len(moved):
        text = "; ".join(f"recording {r} is run on the frames of recording {taken[r]}" for r in moved[:4])
        # One step further than was looked: all take the one before, or the one after.
        for by in (1, -1):
            if len(moved) >= 3 and np.array_equal(taken[moved], (moved - by) % len(whole)):
                way = "before" if by > 0 else "after"
                order = (np.arange(len(whole)) - by) % len(whole)
                told = f"every recording is run on the frames of the recording {way}"
                yield Candidate(told, setup.with_view(lambda f, n, order=order: whole[order[n]]))
        more = f" and {len(moved) - 4} more" if len(moved) > 4 else ""
        yield Candidate(text + more, setup.with_view(lambda f, n: whole[taken[n]]))


@hypothesis("input-steps", "input")
def lost_steps(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Steps of input that never arrived, found one after the other."""
    if not reads_input(setup, layer):
        return
    lost: list[int] = []
    for _ in range(8):
        current = _without(setup, lost)
        wrong = left_wrong(current, trace, layer)
        if wrong is None or not wrong.any():
            break
        first = int(wrong.any(axis=(0, *range(2, wrong.ndim))).argmax())
        if first in lost:
            return
        lost.append(first)
    if lost:
        yield Candidate(f"the input of {listed('step', sorted(lost))} is lost", _without(setup, lost))


def _without(setup: Setup, steps: list[int]) -> Setup:
    def blank(frames: Array, numbers: Array) -> Array:
        del numbers
        frames = frames.copy()
        frames[:, steps] = 0
        return frames

    return setup.with_view(blank) if steps else setup


@hypothesis("input-region", "input")
def blank_regions(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Half of the picture that stays empty, and counts that are cut in one channel."""
    if setup.frames.ndim != 5 or not reads_input(setup, layer):
        return
    height, width = setup.frames.shape[-2:]
    halves = {
        "left": (..., slice(0, width // 2)),
        "right": (..., slice(width // 2, None)),
        "upper": (..., slice(0, height // 2), slice(None)),
        "lower": (..., slice(height // 2, None), slice(None)),
    }
    for name, region in halves.items():
        yield Candidate(f"the {name} half of the picture is blank", setup.with_view(_put(region, 0)))
    for channel in range(setup.frames.shape[2]):
        text = f"counts of channel {channel} are cut to 0 and 1"
        yield Candidate(text, setup.with_view(_cut((slice(None), slice(None), channel))))


def _put(region: tuple[object, ...], value: int) -> View:
    def change(frames: Array, numbers: Array) -> Array:
        del numbers
        frames = frames.copy()
        frames[region] = value  # pyright: ignore[reportCallIssue, reportArgumentType]
        return frames

    return change


def _cut(region: tuple[object, ...]) -> View:
    def change(frames: Array, numbers: Array) -> Array:
        del numbers
        frames = frames.copy()
        frames[region] = frames[region].clip(0, 1)  # pyright: ignore[reportCallIssue, reportArgumentType]
        return frames

    return change


@hypothesis("input-pixel", "input")
def single_pixels(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """One pixel or input that always or never has an event."""
    if not reads_input(setup, layer):
        return
    wrong = left_wrong(setup, trace, layer)
    if wrong is None or not wrong.any():
        return
    shape = setup.frames.shape[2:]
    spread = wrong.any(axis=(0, 1))
    if len(shape) == 3 and spread.ndim == 3:
        # A pixel reaches neurons around its own place, in proportion where a stride makes the picture smaller.
        rows, columns = (np.flatnonzero(spread.any(axis=axes)) for axes in ((0, 2), (0, 1)))
        scale = [a / b for a, b in zip(shape[1:], spread.shape[1:], strict=True)]
        middle = [round(float(side.mean()) * s) for side, s in zip((rows, columns), scale, strict=True)]
        places = [
            (c, y, x)
            for y in range(max(0, middle[0] - 1), min(shape[1], middle[0] + 2))
            for x in range(max(0, middle[1] - 1), min(shape[2], middle[1] + 2))
            for c in range(shape[0])
        ]
    else:
        places = [tuple(int(i) for i in np.unravel_index(k, shape)) for k in range(int(np.prod(shape)))]
    for place in places[:MOST_PIXELS]:
        region = (slice(None), slice(None), *place)
        words = (
            (1, "always has an event"),
            (0, "never has an event"),
            (2, "always has 2 events"),
            (3, "always has 3 events"),
        )
        for value, word in words:
            yield Candidate(f"input {list(place)} {word}", setup.with_view(_put(region, value)))
