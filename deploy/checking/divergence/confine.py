"""A mistake confined to some neurons, recordings or steps: where it holds, and the run that it then predicts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from deploy.checking.divergence.places import neurons_in_words, recordings_in_words, steps_in_words
from deploy.checking.divergence.rules import RIGHT, Rules
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, Conv, Dense, Neuron

SPARSE = 8
"""A block that holds more than so many times the neurons that are wrong is no description of them."""
BACK = 3
"""A mistake may begin so many steps before it shows."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Neurons, recordings (their numbers) and steps; None: all. words: after what goes wrong there."""

    where: Array | None = None
    recordings: tuple[int, ...] | None = None
    steps: tuple[int, int] | None = None
    words: str


def place_of(wrong: Array, left: Array, numbers: Array) -> Place | None:
    """The neurons and recordings in which a mistake explains all; None where no such set does.

    What one neuron does in one recording depends, along recorded spikes, on no other: no run is needed.

    Args:
        wrong: (R, T, ...) where what was recorded is not what is due.
        left: the same with the mistake made everywhere.
        numbers: of the recordings.
    """
    guilty: Array = np.asarray(wrong.any(axis=(0, 1)))
    rows = wrong.reshape(len(wrong), -1).any(axis=1)
    innocent: Array = np.asarray(~left.any(axis=(0, 1)))
    if not (guilty & ~innocent).any() and not guilty.all():
        block = tidy(guilty, innocent)
        return Place(where=block, words=f"in {neurons_in_words(block)}")
    if rows.all():
        return None
    chosen = numbers[rows].tolist()
    words = recordings_in_words(chosen, int(numbers.max()) + 1)
    if not left[rows].any():
        return Place(recordings=tuple(chosen), words=words)
    innocent = np.asarray(~left[rows].any(axis=(0, 1)))
    if not (guilty & ~innocent).any():
        block = tidy(guilty, innocent)
        return Place(where=block, recordings=tuple(chosen), words=f"in {neurons_in_words(block)}, {words}")
    return None


def shown_in(wrong: Array) -> tuple[int, int]:
    """The first step in which anything is wrong, and the one after the last."""
    steps = np.flatnonzero(wrong.any(axis=(0, *range(2, wrong.ndim))))
    return int(steps[0]), int(steps[-1]) + 1


def from_step(first: int, stop: int, steps: int, also: Place | None = None) -> Place:
    """Some steps, of the neurons and recordings of another place."""
    words = steps_in_words(list(range(first, stop)), steps)
    if also is None:
        return Place(steps=(first, stop), words=words)
    return replace(also, steps=(first, stop), words=f"{also.words}, {words}")


def tidy(guilty: Array, allowed: Array) -> Array:
    """The simplest block around the guilty neurons in which nothing speaks against it: channels, rows, a range."""
    shape, axes = guilty.shape, range(guilty.ndim)
    sides: list[Array] = [np.asarray(guilty.any(axis=tuple(a for a in axes if a != axis))) for axis in axes]
    blocks = [_along(shape, [side if axis == chosen else None for axis, side in enumerate(sides)]) for chosen in axes]
    blocks.append(_along(shape, sides))
    flat = np.flatnonzero(guilty.reshape(-1))
    if guilty.ndim == 1 and len(flat) > 1 and (core := _core(flat, guilty.size, allowed)) is not None:
        return core
    span = np.zeros(guilty.size, bool)
    span[flat[0] : flat[-1] + 1] = True
    blocks.append(span.reshape(shape))
    for block in blocks:
        if guilty.ndim > 1 and not (block & ~allowed).any() and block.sum() <= SPARSE * guilty.sum():
            return block
    if guilty.ndim == 1 and not (span & ~allowed).any() and span.sum() <= 2 * guilty.sum():
        return span
    return guilty


def equal_parts(size: int, parts: int) -> Iterator[tuple[int, int]]:
    """Of so many neurons the first of each part, and the one behind its last: as even as can be."""
    return pairwise(size * i // parts for i in range(parts + 1))


def _core(flat: Array, size: int, allowed: Array) -> Array | None:
    """The smallest half, quarter or eighth of a layer around some neurons, as a core has; None where some differ."""
    for parts in (8, 4, 2):
        for first, stop in equal_parts(size, parts):
            if first <= flat[0] and flat[-1] < stop:
                core = np.zeros(size, bool)
                core[first:stop] = True
                return core if core.sum() > len(flat) and not (core & ~allowed).any() else None
    return None


def scattered(where: Array) -> bool:
    """Whether several neurons are no block of channels, rows and columns, and no range: a set that must be listed."""
    if where.sum() < 2:
        return False
    sides = [where.any(axis=tuple(a for a in range(where.ndim) if a != axis)) for axis in range(where.ndim)]
    spans = [np.flatnonzero(side) for side in sides]
    if where.sum() == np.prod([len(span) for span in spans]):
        return not all(_even(span) for span in spans)
    flat = np.flatnonzero(where.reshape(-1))
    return flat[-1] - flat[0] + 1 != len(flat)


def _even(span: Array) -> bool:
    return len(np.unique(np.diff(span))) <= 1


def _along(shape: tuple[int, ...], sides: Sequence[Array | None]) -> Array:
    block = np.ones(shape, bool)
    for axis, side in enumerate(sides):
        if side is not None:
            block &= side.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return block


def confined(base: Setup, made: Setup, layer: str, place: Place) -> Setup | None:
    """The setup `base` with what `made` changes, in one place of a layer; None where that cannot be said.

    A change of the layer's rules or parameters can be confined to anything, one of its synapses to whole outputs, and
    one of the frames to recordings.
    """
    nodes = [name for name, node in made.network.nodes.items() if base.network.nodes.get(name) is not node]
    if made.network.edges != base.network.edges:
        return None
    rules = made.rules.get(layer) != base.rules.get(layer)
    if made.view is not base.view:
        return None if nodes or rules or place.where is not None else _of_frames(base, made, place)
    where = {"where": place.where, "recordings": place.recordings, "steps": place.steps}
    if rules and not nodes:
        return base.with_part(layer, replace(made.rules[layer][0], **where))
    if nodes == [layer] and not rules:
        node = made.network.nodes[layer]
        assert isinstance(node, Neuron)
        first: Rules = base.rules.get(layer, (RIGHT,))[0]
        return base.with_part(layer, replace(first, node=node, **where))
    if len(nodes) == 1 and not rules and place.recordings is None and place.steps is None:
        return _of_outputs(base, made, nodes[0], place)
    return None


def _of_frames(base: Setup, made: Setup, place: Place) -> Setup:
    see, before = made.view, base.view
    assert see is not None

    def view(frames: Array, numbers: Array) -> Array:
        old = frames if before is None else before(frames, numbers)
        chosen = np.ones(frames.shape[:2], bool)
        if place.recordings is not None:
            chosen &= np.isin(numbers, place.recordings)[:, None]
        if place.steps is not None:
            chosen[:, : place.steps[0]], chosen[:, place.steps[1] :] = False, False
        return np.where(chosen.reshape(*chosen.shape, *(1,) * (frames.ndim - 2)), see(frames, numbers), old)

    return replace(base, view=view)


def _of_outputs(base: Setup, made: Setup, name: str, place: Place) -> Setup | None:
    one, other, where = base.network.nodes[name], made.network.nodes[name], place.where
    if not isinstance(one, Conv | Dense) or not isinstance(other, Conv | Dense) or where is None:
        return None
    outputs = where.reshape(len(where), -1)
    if (
        one.weight.shape != other.weight.shape
        or len(outputs) != len(one.weight)
        or (outputs.any(1) & ~outputs.all(1)).any()
    ):
        return None
    rows = outputs.all(1).reshape(-1, *(1,) * (one.weight.ndim - 1))
    return base.with_node(name, weight=np.where(rows, other.weight, one.weight))
