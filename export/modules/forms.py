"""Nodes made of what a call says, and small questions about calls."""

from dataclasses import replace
from typing import Any

import numpy as np

from deploy.network import Array, FloatNeuron, Shape, SumPool
from export.modules.shapes import as_image, per_channel
from export.modules.values import Call, Made, Piece, Value


def before_pooling(pool: Made, factor: Array, shift: Array) -> Made | None:
    """The pooling of a scaled value in place of a scaling behind it; None where that is not the same."""
    by_channel = [per_channel(values, pool.shape) for values in (factor, shift)]
    parameters, (f, s) = pool.call.parameters, by_channel
    if f is None or s is None or any(parameters["padding"]) or not on_images(pool):
        return None
    each = pool.value.size // len(f)
    s = s / (float(np.prod(parameters["kernel"])) * parameters["factor"])
    scales = {"factor": np.repeat(f, each), "shift": np.repeat(s, each)}
    call = Call("affine", f"{pool.call.name}_scale", pool.call.place, parameters=scales)
    return replace(pool, value=Value(pool.value.shape, (Piece(Made(call, pool.step, pool.value.shape, pool.value)),)))


def on_images(made: Made) -> bool:
    """Whether what a convolution or pooling sees are images as the network has them, not rows of numbers reshaped."""
    return all(len(as_image(piece.made.shape)) == 3 for piece in made.value.pieces)


def window(parameters: Any) -> SumPool:
    return SumPool(kernel=parameters["kernel"], stride=parameters["stride"], padding=parameters["padding"])


def plain(values: Array) -> Array:
    """One number where all are the same."""
    values = np.asarray(values, np.float32)
    return np.array(values.flat[0]) if np.all(values == values.flat[0]) else values


def lifted(neuron: FloatNeuron, shape: Shape) -> FloatNeuron:
    """The neurons of (C, L) as those of (C, 1, L)."""
    if neuron.shape == shape or len(neuron.shape) != 2:
        return replace(neuron, shape=shape)
    fields = vars(neuron).items()
    arrays = {name: v[..., None, :] for name, v in fields if isinstance(v, np.ndarray) and v.ndim == 2}
    return replace(neuron, shape=shape, **arrays)
