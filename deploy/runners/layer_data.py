"""What the kernels take: a synapse and its neurons, laid out in the order in which they are read."""

from typing import Any, NamedTuple

from numpy.typing import NDArray

Array = NDArray[Any]


class Synapse(NamedTuple):
    """Weights and geometry of a convolution, in the order in which they are read.

    weight (groups * blocks, rows, lanes) int16: row (ki * kernel_w + kj) * in_channels / groups + c holds what input
    channel c adds through tap (ki, kj). The columns of a kernel are `pieces` runs of `span` neighbouring ones: one run
    unless the kernel is dilated. After `limit` rows a sum could leave int16. No synapse at all has kernel_h 0.

    A kernel that sees few inputs has `words` > 0: each of its rows is that many words of eight bytes, one an input, and
    table (blocks, kernel_h * words * 256, lanes) int16 holds the sums for each of the 256 ways in which they can spike.
    """

    weight: Array
    table: Array
    words: int
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
