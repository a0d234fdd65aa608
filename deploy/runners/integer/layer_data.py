"""What the kernels take: a synapse, its neurons and events, laid out in the order in which they are read."""

from typing import NamedTuple

from deploy.network import Array


class Scatter(NamedTuple):
    """A synapse as seen from its inputs: what an event adds, and where.

    An event reaches `taps` rows of the output and in each some neighboring places, whose channels lie side by side:
    one run of weights. weight (blocks, rows, run) int16; one row for each way in which an input can lie relative to the
    strides. Sums are int16 and kept with a margin, so that no event has to ask whether it lies at a border: rows of
    `line` numbers, of which a row of the output is a part that begins at `left`.

    at (part,): where in the sums the run of an input begins, in the lowest output row that it reaches; those in the
        rows above follow. Negative where it reaches nothing.
    row (part,): its row of weights; those for the output rows above follow at a distance of `step`.
    part_at, part_row (parts,): what to add to both; large inputs are cut into rows, whose tables stay in the cache.

    The inputs are those of a pooling where one comes before. An empty weight: the synapse cannot be used in this way.
    """

    weight: Array
    at: Array
    row: Array
    part_at: Array
    part_row: Array
    taps: int
    step: int
    rows: int
    line: int
    left: int


class Product(NamedTuple):
    """A synapse as products of bytes over all of its inputs, laid out as an image with its padding (`products.py`).

    weight (blocks, taps * words, lanes) int32: four weights each, of four neighboring bytes of the image. A row of the
    kernel is `words` of them, filled up with zeros; the next of its `taps` rows lies `tap` bytes further on.
    at (places,): where the window of a place begins in the image; filled up to whole groups of places.
    line, begin, size: bytes of a row of the image, before the first input, and of all of it.
    window_h, window_w, from_width, channels_first: the pooling that the image takes over, how wide what it reads is,
        and whether that has its channels first, as frames do.
    events_cost: the products are made where the events times this are more than the inputs; 0 for never.
    """

    weight: Array
    at: Array
    events_cost: int
    words: int
    taps: int
    tap: int
    line: int
    begin: int
    size: int
    window_h: int
    window_w: int
    from_width: int
    channels_first: bool


class Synapse(NamedTuple):
    """Weights and geometry of a convolution, in the order in which they are read.

    weight (groups * blocks, rows, lanes) int16: row (ki * kernel_w + kj) * in_channels / groups + c holds what input
    channel c adds through tap (ki, kj). The columns of a kernel are `pieces` runs of `span` neighboring ones: one run
    unless the kernel is dilated. After `limit` rows a sum could leave int16. No synapse at all has kernel_h 0.

    What weights have in common as a power of two is in `exponent`, so that sums stay small.
    """

    weight: Array
    scatter: Scatter
    product: Product
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
    v * keep_v stays within int32. `hard_reset`: to 0, in the step of the spike. Else `soft_reset`: by the threshold;
    `late_reset`: in the step after the spike; neither of them: none.
    """

    keep_u: Array
    keep_v: Array
    threshold: Array
    bias: Array
    immediate: bool
    per_place: bool
    within: bool
    hard_reset: bool
    soft_reset: bool
    late_reset: bool


class Listed(NamedTuple):
    """The events of some steps: room for them, and where they are. A count of 3 is 3 events.

    Gathered: those of place p of group g stand from rows[starts[step, g, p]] up to rows[starts[step, g, p + 1]], each
    as column * channels + channel, which is a row of weights for a kernel whose left edge lies on column 0.
    Scattered: from rows[starts[step, 0]] up to rows[starts[step, 1]], each as its row of weights and where it adds it.
    """

    starts: Array
    rows: Array
    places: Array
