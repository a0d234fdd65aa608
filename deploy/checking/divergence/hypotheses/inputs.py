"""Mistakes on the way from events to frames."""

from collections.abc import Iterator

import numpy as np

from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.replay import later
from deploy.checking.divergence.setup import Setup, View
from deploy.network import Array
from deploy.traces.trace import Trace


def moved(x: Array, by: int, axis: int) -> Array:
    """A map moved by pixels; 0 comes in from outside."""
    out = np.roll(x, by, axis)
    edge: list[slice] = [slice(None)] * x.ndim
    edge[axis] = slice(0, by) if by > 0 else slice(by, None)
    out[tuple(edge)] = 0
    return out


def frame_variants(frames: Array) -> Iterator[tuple[str, str, Array]]:
    """Kind, description and frames (R, T, ...) of every way to get frames wrong; those that change nothing left out."""
    for kind, text, variant in _variants(frames):
        if variant.shape == frames.shape and not np.array_equal(variant, frames):
            yield kind, text, variant


def _variants(frames: Array) -> Iterator[tuple[str, str, Array]]:
    if frames.ndim == 5:
        yield "polarity", "the polarities are swapped", frames[:, :, ::-1]
        yield "input-axes", "x and y are swapped", frames.swapaxes(-1, -2)
        yield "input-mirrored", "the picture is mirrored left to right", frames[..., ::-1]
        yield "input-mirrored", "the picture is upside down", frames[..., ::-1, :]
        yield "input-mirrored", "the picture is turned by 180 degrees", frames[..., ::-1, ::-1]
        both = frames.sum(axis=2, keepdims=True).clip(0, 255).astype(frames.dtype)
        yield "polarity", "both polarities are added up", np.broadcast_to(both, frames.shape)
        for channel in range(frames.shape[2]):
            only = np.zeros_like(frames)
            only[:, :, channel] = frames[:, :, channel]
            yield "polarity", f"only polarity {channel} arrives", only
            counted = np.zeros_like(frames)
            counted[:, :, channel] = both[:, :, 0]
            yield "polarity", f"events of every polarity are counted in polarity {channel}", counted
        if frames.shape[-1] != frames.shape[-2]:
            down = np.ascontiguousarray(frames.swapaxes(-1, -2)).reshape(frames.shape)
            yield "input-axes", "addresses run down the columns: x and y are swapped", down
            square = frames.reshape(*frames.shape[:3], frames.shape[4], frames.shape[3]).swapaxes(-1, -2)
            yield "input-axes", "addresses are read down the columns: x and y are swapped", square
        for axis, way in ((-1, "x"), (-2, "y")):
            for by in (1, -1):
                yield "input-shifted", f"the picture is shifted by {by:+d} pixel in {way}", np.roll(frames, by, axis)
                text = f"the picture is shifted by {by:+d} pixel in {way}, and what leaves it is lost: other padding"
                yield "input-shifted", text, moved(frames, by, axis)
    for steps in (1, -1, 2, -2):
        way = "late" if steps > 0 else "early"
        yield "input-step", f"the frames come {abs(steps)} step(s) {way}", later(frames, steps)
    yield "input-counts", "counts are cut to 0 and 1", frames.clip(0, 1)
    most = int(frames.max(initial=0))
    for top in range(2, min(most, 8)):
        yield "input-counts", f"counts are cut at {top}", frames.clip(0, top)
    if np.issubdtype(frames.dtype, np.integer):
        for bits in range(1, most.bit_length()):
            yield "input-counts", f"counts wrap at {bits} bit(s)", frames & ((1 << bits) - 1)
    yield "input-order", "the steps run backwards", frames[:, ::-1]
    yield "input-silent", "no event arrives: the frames are empty", np.zeros_like(frames)
    first = frames.copy()
    first[:, 0] = 0
    yield "input-step", "the first step is missing", first
    last = frames.copy()
    last[:, -1] = 0
    yield "input-step", "the last step is missing", last


@hypothesis("frames", "input")
def other_frames(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The runner was fed other frames; the kind is that of the variant, before the bar."""
    if not reads_input(setup, layer):
        return
    for kind, text, _ in frame_variants(setup.seen):
        yield Candidate(f"{kind}|{text}", setup.with_view(_view(kind, text)))


def _view(kind: str, text: str) -> View:
    """A variant by its name, for any recordings."""

    def see(frames: Array, numbers: Array) -> Array:
        del numbers
        return next((v for k, t, v in frame_variants(frames) if (k, t) == (kind, text)), frames)

    return see


def reads_input(setup: Setup, layer: str) -> bool:
    """Whether frames reach a layer without another layer between."""
    network = setup.network
    waiting, seen = list(network.sources(layer)), set[str]()
    while waiting:
        name = waiting.pop()
        if name == network.input:
            return True
        if name not in network.neurons and name not in seen:
            seen.add(name)
            waiting += network.sources(name)
    return False
