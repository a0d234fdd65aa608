"""What the kernels take: a synapse and its neurons, laid out in the order in which they are read."""

from typing import Any, NamedTuple

from numpy.typing import NDArray

Array = NDArray[Any]


class Scatter(NamedTuple):
    """A synapse as seen from its inputs: what an event adds, and where.

    An event reaches `taps` rows of the output and in each some neighbouring places, whose channels lie side by side:
    one run of weights. weight (blocks, rows, run) int16; one row for each way in which an input can lie relative to the
    strides. Sums are int16 and kept with a margin, so that no event has to ask whether it lies at a border: rows of
    `line` numbers, of which a row of the output is a part that begins at `left`.

    row_at (in_height,): where in the sums the lowest output row begins that an input row reaches; those above follow.
    row_weight (in_height,): the row of weights for it; those for the rows above follow at a distance of `step`.
    column_at, column_weight (in_width * in_channels,): what a column and channel of the input add to both.
    pitch: the distance between rows of the input.

    The input may be the unpooled one where the synapse follows a pooling. An empty weight: the synapse cannot be used
    in this way.
    """

    weight: Array
    row_at: Array
    row_weight: Array
    column_at: Array
    column_weight: Array
    pitch: int
    taps: int
    step: int
    rows: int
    line: int
    left: int


class Synapse(NamedTuple):
    """Weights and geometry of a convolution, in the order in which they are read.

    weight (groups * blocks, rows, lanes) int16: row (ki * kernel_w + kj) * in_channels / groups + c holds what input
    channel c adds through tap (ki, kj). The columns of a kernel are `pieces` runs of `span` neighbouring ones: one run
    unless the kernel is dilated. After `limit` rows a sum could leave int16. No synapse at all has kernel_h 0.

    What weights have in common as a power of two is in `exponent`, so that sums stay small.
    """

    weight: Array
    scatter: Scatter
    limit: int
    exponent: int
    groups: int
    in_height: int
    in_width: int
    in_channels: int
    out_width: int
    out_channels: int
    kernel_h: int
    pieces: int
    span: int
    stride_h: int
    stride_w: int
    padding_h: int
    padding_w: int
    dilation_h: int
    dilation_w: int


class Cells(NamedTuple):
    """Parameters of a layer's neurons, each (blocks, one tile or all places * lanes) int32, padded with zeros.

    keep_u and keep_v are what is left of 4096 after a step. A neuron that never spikes has the largest threshold.
    `immediate`: nothing is left of u. `within`: it is proven that moreover u does not wrap, v does not saturate and
    v * keep_v stays within int32.
    """

    keep_u: Array
    keep_v: Array
    threshold: Array
    bias: Array
    immediate: bool
    per_place: bool
    within: bool
