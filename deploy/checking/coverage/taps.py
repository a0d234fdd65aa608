"""Where a weight acts: the pairs of a neuron and an input that it joins."""

from functools import cache

import numpy as np

from deploy.network import Array, Conv, Dense, Shape


class Taps:
    """The pairs of one synapse, worked out for a place of the kernel when it is first asked for.

    before, after: the shapes of its input and output, (C, H, W) or (n,).
    """

    def __init__(self, node: Dense | Conv, before: Shape, after: Shape) -> None:
        self._node, self._before, self._after = node, before, after
        self._places = cache(self._pairs)

    def of(self, element: int) -> tuple[Array, Array]:
        """The neurons and the inputs (k,), flattened channel first, that weight `element` joins."""
        node = self._node
        where = [int(n) for n in np.unravel_index(element, node.weight.shape)]
        if isinstance(node, Dense):
            return np.array(where[:1]), np.array(where[1:])
        out, within, i, j = where
        channel = out // (node.weight.shape[0] // node.groups) * node.weight.shape[1] + within
        neurons, inputs = self._places(i, j)
        return out * int(np.prod(self._after[1:])) + neurons, channel * int(np.prod(self._before[1:])) + inputs

    def _pairs(self, i: int, j: int) -> tuple[Array, Array]:
        """Those of one place of a convolution's kernel, within a channel."""
        node = self._node
        assert isinstance(node, Conv)
        (height, width), (rows, columns) = self._before[1:], self._after[1:]
        y = np.arange(rows) * node.stride[0] - node.padding[0] + i * node.dilation[0]
        x = np.arange(columns) * node.stride[1] - node.padding[1] + j * node.dilation[1]
        inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))[None, :]
        inputs = y[:, None] * width + x[None, :]
        return np.flatnonzero(inside), inputs[inside]
