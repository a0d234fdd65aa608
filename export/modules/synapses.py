"""Linear layers taken apart by what they are applied to: one weight for each operation that reaches them.

A scaling before a layer (a batch norm, say) becomes part of its weights where that is exact.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deploy.network import Array, Conv, Dense
from export.modules.folding import convolution, response
from export.modules.refusal import ModuleRefusedError
from export.modules.shapes import as_image, moves_of, per_channel
from export.modules.values import Made, Piece, Value


@dataclass(frozen=True, eq=False)
class Part:
    """`node`, without a bias, applied to what was made; flat: to its elements in one row."""

    made: Made
    node: Dense | Conv

    @property
    def flat(self) -> bool:
        return isinstance(self.node, Dense)


@dataclass(frozen=True)
class Synapses:
    """What a layer gives: the sum of its parts and of a bias, (outputs,) float64, or None."""

    parts: tuple[Part, ...]
    bias: Array | None

    def scaled(self, factor: Array, shift: Array) -> "Synapses | None":
        """factor * what it gives + shift, both flat over its outputs; None where one differs within a channel."""
        outputs = self.parts[0].node.weight.shape[0]
        by_channel = [per_channel(values, (outputs, 1, len(values) // outputs)) for values in (factor, shift)]
        f, s = by_channel
        if f is None or s is None:
            return None
        parts = tuple(replace(part, node=_times(part.node, f)) for part in self.parts)
        return Synapses(parts, s + (0 if self.bias is None else f * self.bias))


def taken_apart(made: Made) -> Synapses:
    """A linear layer, a convolution, or either with a scaling behind it.

    Raises:
        ModuleRefusedError: a convolution of something that no convolution of ours can be applied to.
    """
    if made.kind == "linear":
        return _linear(made)
    return _conv(made)


LARGEST_MATRIX = 1 << 22
"""Weights of a convolution or pooling written as a matrix; more are no way to say it."""


def as_linear(made: Made) -> Made:
    """A convolution or pooling as a linear layer over its elements in one row."""
    inputs = made.value.size
    if inputs * int(np.prod(made.shape)) > LARGEST_MATRIX:
        raise ModuleRefusedError(
            f"{inputs} values that were no image become one of {made.value.shape}; a network has no such node: "
            "begin with an image"
        )
    bias = response(made, np.zeros((1, inputs)))[0]
    weight = (response(made, np.eye(inputs)) - bias).T
    parameters = {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32) if bias.any() else None}
    return replace(made, call=replace(made.call, kind="linear", parameters=parameters))


def _times(node: Dense | Conv, factor: Array) -> Any:
    shaped = factor.reshape(-1, *(1,) * (node.weight.ndim - 1))
    return replace(node, weight=(node.weight.astype(np.float64) * shaped).astype(np.float32))


def _linear(made: Made) -> Synapses:
    parameters = made.call.parameters
    weight = parameters["weight"]
    bias = np.zeros(len(weight)) if parameters["bias"] is None else parameters["bias"].astype(np.float64)
    parts: list[Part] = []

    def apply(weight: Array, value: Value) -> None:
        nonlocal bias
        if value.constant is not None:
            bias = bias + weight.astype(np.float64) @ value.constant
        for piece in value.pieces:
            inner = piece.made
            mine = weight
            if not piece.whole:
                source, target = piece.pairs()
                mine = np.zeros((len(weight), int(np.prod(inner.shape))), np.float32)
                np.add.at(mine.T, source, weight[:, target].T)
            if inner.kind == "affine":
                bias = bias + mine.astype(np.float64) @ inner.call.parameters["shift"]
                apply((mine * inner.call.parameters["factor"]).astype(np.float32), inner.value)
            else:
                parts.append(Part(inner, Dense(weight=mine)))

    apply(weight, made.value)
    return Synapses(tuple(parts), bias if parameters["bias"] is not None or bias.any() else None)


def _conv(made: Made) -> Synapses:
    plain = convolution(made.call.parameters)
    bias = np.zeros(len(plain.weight)) if plain.bias is None else plain.bias.astype(np.float64)
    parts: list[Part] = []

    def apply(node: Conv, value: Value) -> None:
        nonlocal bias
        if value.constant is not None:
            bias = bias + _shifted(node, value.constant, value)
        for piece in value.pieces:
            inner, mine = piece.made, _selected(node, piece, value)
            if inner.kind == "affine" and (absorbed := _absorbed(mine, inner)) is not None:
                bias = bias + absorbed[1]
                apply(absorbed[0], inner.value)
            else:
                parts.append(Part(inner, mine))

    apply(replace(plain, bias=None), made.value)
    return Synapses(tuple(parts), bias if plain.bias is not None or bias.any() else None)


def _selected(node: Conv, piece: Piece, value: Value) -> Conv:
    """The convolution as one of a piece of its input."""
    if piece.whole and as_image(piece.made.shape) == as_image(value.shape):
        return node
    moves = moves_of(piece, value.shape)
    channels = as_image(piece.made.shape)[0]
    unmoved = moves is not None and channels == as_image(value.shape)[0] and np.array_equal(moves[0], moves[1])
    unmoved = unmoved and moves is not None and len(moves[0]) == channels
    if moves is None or (node.groups != 1 and not unmoved):
        raise ModuleRefusedError(
            f"a convolution of parts of {piece.made.call.name}, of shape {piece.made.shape}, in another order; whole "
            "channels can be taken, and zeros put around them evenly"
        )
    there, here, around = moves
    padding = (node.padding[0] + around[0], node.padding[1] + around[1])
    if unmoved:
        return replace(node, padding=padding)
    weight = np.zeros((len(node.weight), channels, *node.weight.shape[2:]), np.float32)
    np.add.at(weight.swapaxes(0, 1), there, node.weight[:, here].swapaxes(0, 1))
    return replace(node, weight=weight, padding=padding)


def _absorbed(node: Conv, scaling: Made) -> tuple[Conv, Array] | None:
    """The convolution with a scaling before it in its weights, and the bias that this gives; None where zeros of the
    padding would be scaled too, or where a factor differs within a channel."""
    factor, shift = (scaling.call.parameters[name] for name in ("factor", "shift"))
    by_channel = [per_channel(values, scaling.shape) for values in (factor, shift)]
    if by_channel[0] is None or by_channel[1] is None or (any(node.padding) and by_channel[1].any()):
        return None
    outputs, per_group = node.weight.shape[:2]
    groups = by_channel[0].reshape(node.groups, per_group)
    factors = np.repeat(groups, outputs // node.groups, axis=0)[:, :, None, None]
    weight = (node.weight.astype(np.float64) * factors).astype(np.float32)
    return replace(node, weight=weight), _of_channels(node, by_channel[1])


def _of_channels(node: Conv, values: Array) -> Array:
    """What a convolution without padding makes of an image with one value a channel, (outputs,)."""
    outputs, per_group = node.weight.shape[:2]
    groups = np.repeat(values.reshape(node.groups, per_group), outputs // node.groups, axis=0)
    return (node.weight.astype(np.float64).sum(axis=(2, 3)) * groups).sum(axis=1)


def _shifted(node: Conv, constant: Array, value: Value) -> Array:
    by_channel = per_channel(constant, value.shape)
    if by_channel is None or (any(node.padding) and by_channel.any()):
        raise ModuleRefusedError(
            "a convolution with padding of values to which a constant was added; add it behind the convolution"
        )
    return _of_channels(node, by_channel)
