"""Edges into a node, from all that a value is the sum of: reshaped, selected, late, with or without a bias."""

from typing import Any

import numpy as np

from deploy.network import Array, Conv, Dense, Flatten, Shape
from export.modules.folding import Fold
from export.modules.graph import Graph
from export.modules.refusal import ModuleRefusedError
from export.modules.shapes import as_image, moves_of
from export.modules.values import Made, Piece, Value

LARGEST_CHOICE = 1 << 24
"""Weights of a dense layer that only moves elements; more are no way to say it."""

MOST_STEPS = 8
"""Steps that a value may be the sum of; more are a sum over time, which is no layer of a network."""

Term = tuple[str, int]
"""A node that gives part of a value, and by how many steps it is late for it."""


class Feeding:
    """What leads into the nodes of `graph`; which node gives what is for a subclass to say."""

    graph: Graph
    fold: Fold

    def terms(self, made: Made, *, more: Array | None = None) -> list[Term]:
        """The nodes whose sum is what was made, and `more`."""
        raise NotImplementedError

    def feed(self, name: str, value: Value, step: int, place: str, *, through_current: bool = False) -> Array | None:
        """Edges from all that a value is the sum of; gives the constant that is left over, flat.

        Args:
            name: of the node that takes it.
            value: what it takes in step `step`.
            place: of the user's code.
            through_current: the constant must come over a synapse, since it is no bias of the potential.
        """
        if len({piece.made.step for piece in value.pieces}) > MOST_STEPS:
            raise ModuleRefusedError(f"{place}: sees many steps at once; add them up behind the last layer alone")
        constant = np.zeros(value.size) if value.constant is None else value.constant
        carried = self._carrier(value, step) if through_current and constant.any() else None
        for piece in value.pieces:
            late = step - piece.made.step
            begins = self.fold.constant_from_start.get(self.fold.keys.of(piece.made)) if late else None
            for source, own in self.terms(piece.made, more=constant if piece is carried else None):
                self.graph.connect(self.shaped(source, piece, value.shape, place), name, late + own, begins)
        if not constant.any() or carried is not None:
            return None
        if through_current:
            raise ModuleRefusedError(f"{place}: a constant enters a current that decays; add it as the bias of a layer")
        return constant

    def _carrier(self, value: Value, step: int) -> Piece | None:
        """A layer of this step that can carry a constant as its bias."""
        for piece in value.pieces:
            if piece.made.step == step and piece.whole and piece.made.kind in ("linear", "conv", "affine", "pool"):
                return piece
        return None

    def shaped(self, source: str, piece: Piece, shape: Shape, place: str) -> str:
        """The node that gives a piece of a value as an array of the value's shape."""
        before, after = as_image(piece.made.shape), as_image(shape)
        if piece.whole and before == after:
            return source
        if piece.whole and len(after) == 1:
            return self.flat(source, before, place)
        if not piece.whole and (moves := moves_of(piece, shape)) is not None and moves[2] == (0, 0):
            weight = np.zeros((after[0], before[0], 1, 1), np.float32)
            np.add.at(weight, (moves[1], moves[0]), 1)
            return self.own(f"{source}_part", source, Conv(weight=weight), place)
        if len(after) == 1 and np.prod(before) * after[0] <= LARGEST_CHOICE:
            weight = np.zeros((after[0], int(np.prod(before))), np.float32)
            source_of, target = piece.pairs()
            np.add.at(weight, (target, source_of), 1)
            return self.own(f"{source}_part", self.flat(source, before, place), Dense(weight=weight), place)
        raise ModuleRefusedError(
            f"{place}: values of {piece.made.call.name}, of shape {piece.made.shape}, become an array of {shape} in "
            "another order; a network flattens images and takes whole channels, no more"
        )

    def flat(self, source: str, shape: Shape, place: str) -> str:
        flat = len(shape) == 1 or isinstance(self.graph.nodes.get(source), Dense)
        return source if flat else self.own(f"{source}_flat", source, Flatten(), place)

    def own(self, wanted: str, source: str, node: Any, place: str) -> str:
        """A node behind another; the same one where there is one already."""
        for edge in self.graph.edges:
            if edge[0] == source and edge[2] == 0 and _same(self.graph.nodes.get(edge[1]), node):
                return edge[1]
        name = self.graph.add(self.graph.name(wanted), node, place)
        self.graph.connect(source, name, 0)
        return name


def _same(a: Any, b: Any) -> bool:
    """Whether two nodes are of one type and hold the same."""
    if type(a) is not type(b):
        return False
    fields = zip(vars(a).values(), vars(b).values(), strict=True)
    return all(np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y for x, y in fields)
