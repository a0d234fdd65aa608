"""What a value in a module is made of: the outputs of earlier operations, element by element.

A module is followed on a few recordings. Every operation that computes something leaves a `Made` for each step; a value
is a sum of `Piece`s of them and of constants. Sums, concatenations, selections and reshapes are thus no operations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deploy.network import Array, Shape


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operation in the module's code.

    kind: "input", "linear", "conv", "affine", "pool", "or" (maximum of spikes), "cells", "potential" or "sum".
    name: what its node is called. place: the line of the user's code. number: which call of the run it is.
    parameters: what decides what it computes; arrays in numpy.
    """

    kind: str
    name: str
    place: str
    number: int = -1
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Made:
    """What one call made in one step, of one recording; all recordings are treated alike.

    cells: of neurons, which layer they are.
    """

    call: Call
    step: int
    shape: Shape
    value: "Value"
    cells: int = -1

    @property
    def kind(self) -> str:
        return self.call.kind


@dataclass(frozen=True, eq=False)
class Piece:
    """Elements `source` of what was made, added to the elements `target` of a value; None: all, in their order."""

    made: Made
    source: Array | None = None
    target: Array | None = None

    @property
    def whole(self) -> bool:
        return self.source is None

    def pairs(self) -> tuple[Array, Array]:
        """(source, target), spelled out."""
        if self.source is None or self.target is None:
            everything = np.arange(int(np.prod(self.made.shape)))
            return everything, everything
        return self.source, self.target


@dataclass(frozen=True, eq=False)
class Value:
    """A value of `shape` in one step: pieces and a constant (float64, flat; None: 0)."""

    shape: Shape
    pieces: tuple[Piece, ...]
    constant: Array | None = None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def only(self) -> Made | None:
        """What it is the whole of; None where it is a part, or more than that."""
        if len(self.pieces) != 1 or self.constant is not None or not self.pieces[0].whole:
            return None
        return self.pieces[0].made


NOTHING = Value((), ())
"""What no operation reaches."""


def gather(shape: Shape, mades: list[Made], which: Array, element: Array, constant: Array) -> Value:
    """The value whose element i is element `element[i]` of `mades[which[i]]`, or `constant[i]` where which is -1.

    Sums among `mades` are taken apart.
    """
    pieces: list[Piece] = []
    constants = np.where(which < 0, constant, 0.0).astype(np.float64)
    for number in dict.fromkeys(which[which >= 0].tolist()):
        made = mades[number]
        target = np.flatnonzero(which == number)
        source = element[target]
        size = int(np.prod(made.shape))
        in_order = len(target) == len(which) == size and bool(np.all(source == np.arange(size)))
        piece = Piece(made) if in_order else Piece(made, source, target)
        if made.kind != "sum":
            pieces.append(piece)
            continue
        if made.value.constant is not None:
            np.add.at(constants, target, made.value.constant[source])
        pieces += [through(inner, piece) for inner in made.value.pieces]
    pieces = [piece for piece in pieces if piece.target is None or len(piece.target)]
    return Value(shape, tuple(pieces), constants if constants.any() else None)


def through(inner: Piece, outer: Piece) -> Piece:
    """The part of `inner` that `outer` takes from the sum that it is a piece of."""
    if outer.whole:
        return inner
    source, middle = inner.pairs()
    wanted, target = outer.pairs()
    order = np.argsort(middle, kind="stable")
    first = np.searchsorted(middle[order], wanted, "left")
    last = np.searchsorted(middle[order], wanted, "right")
    counts = last - first
    places = np.repeat(first - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(counts.sum())
    return Piece(inner.made, source[order][places], np.repeat(target, counts))


def add(shape: Shape, values: list[Value]) -> Value:
    """The sum of values of one shape."""
    constants = [value.constant for value in values if value.constant is not None]
    pieces = tuple(piece for value in values for piece in value.pieces)
    return Value(shape, pieces, sum(constants[1:], start=constants[0]) if constants else None)
