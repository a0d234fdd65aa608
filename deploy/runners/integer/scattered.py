"""Synapses laid out by input: what an event adds to the sums, and where (`layer_data.Scatter`)."""

import numpy as np

from deploy.network import Array, Conv, Input, Node, Pair, SumPool
from deploy.runners.integer.layer_data import Scatter
from deploy.runners.integer.vectors import WIDTHS

SMALL = 1 << 12
"""Inputs of which one table stays in the innermost cache."""

_NOWHERE = -(1 << 29)
_NONE = np.empty(0, np.int32)
NO_SCATTER = Scatter(
    weight=np.empty((0, 0, 0), np.int16),
    at=_NONE,
    row=_NONE,
    part_at=_NONE,
    part_row=_NONE,
    taps=0,
    step=0,
    rows=0,
    line=0,
    left=0,
)
"""For synapses that are gathered."""


def reach(node: Conv) -> int:
    """How many neighboring places of an output row an event reaches at most."""
    return -(-node.weight.shape[3] // node.stride[1])


def can_scatter(node: Conv) -> bool:
    """Whether events of this convolution add plain runs of weights, short enough for the registers."""
    return node.groups == 1 and node.dilation == (1, 1) and reach(node) * 8 <= WIDTHS[-1]


def scatter_of(weight: Array, node: Conv, inputs: Pair, outputs: Pair, before: Node | None) -> Scatter:
    """The layout for a convolution.

    Args:
        weight: (blocks, kernel_h * kernel_w * in_channels, lanes) int16.
        node: its geometry.
        inputs: height and width of what arrives, before the pooling if there is one.
        outputs: height and width of what leaves.
        before: what it reads as it is. A pooling, whose windows neither overlap nor are padded: events are taken to the
            pooled place that holds them. The input: frames have the channels first. Anything else: the channels last.
    """
    blocks, _, lanes = weight.shape
    _, channels, kernel_h, kernel_w = node.weight.shape
    window = before.kernel if isinstance(before, SumPool) else (1, 1)
    (down, right), (top, left) = node.stride, node.padding
    taps, places = -(-kernel_h // down), reach(node)
    # Filled up so that every way of lying has as many taps; a kernel's row in steps of the stride, its end first,
    # because places further on see an event further left.
    filled = np.zeros((blocks, taps * down, places * right, channels, lanes), np.int16)
    filled[:, :kernel_h, :kernel_w] = weight.reshape(blocks, kernel_h, kernel_w, channels, lanes)
    phased = filled.reshape(blocks, taps, down, places, right, channels, lanes)[:, :, :, ::-1]
    runs = phased.transpose(0, 2, 1, 4, 5, 3, 6).reshape(blocks, -1, places * lanes)
    width = min(width for width in WIDTHS if width >= places * lanes)
    padded = np.zeros((*runs.shape[:2], width), np.int16)
    padded[:, :, : places * lanes] = runs

    rows, columns = (np.arange(size) // step for size, step in zip(inputs, window, strict=True))
    row, row_phase = np.divmod(rows + top, down)
    column, column_phase = np.divmod(columns + left, right)
    line = (max(int(column.max()) + 1, outputs[1]) + places - 1) * lanes
    row_at, column_at = (row + taps - 1) * line, column * lanes
    # What a pooling leaves over at the far borders reaches nothing.
    row_at[inputs[0] // window[0] * window[0] :] = _NOWHERE
    column_at[inputs[1] // window[1] * window[1] :] = _NOWHERE
    step = right * channels
    row_first = row_phase * taps * step
    at = np.repeat(column_at, channels)
    of_row = (column_phase[:, None] * channels + np.arange(channels)).ravel()
    if isinstance(before, Input) or inputs[0] * len(at) <= SMALL:
        at, of_row = (first[:, None] + more for first, more in ((row_at, at), (row_first, of_row)))
        if isinstance(before, Input):
            at, of_row = (x.reshape(-1, channels).T for x in (at, of_row))
        row_at = row_first = np.zeros(1, np.int64)
    return Scatter(
        weight=padded,
        at=at.astype(np.int32).ravel(),
        row=of_row.astype(np.int32).ravel(),
        part_at=row_at.astype(np.int32),
        part_row=row_first.astype(np.int32),
        taps=taps,
        step=step,
        rows=max(int(row.max()) + 1, outputs[0]) + taps - 1,
        line=line,
        left=(places - 1) * lanes,
    )
