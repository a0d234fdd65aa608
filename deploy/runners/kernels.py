"""Compiled inner loops of the integer simulator: synapses driven by events, fused with the neurons they feed.

For each place of the output the rows of weights of the inputs that spiked there are added up in vector registers, and
the sums go straight into the neurons, tile by tile: they never reach memory. A dense layer is a convolution of a 1 x 1
image. What every array holds is said at `Synapse`, `Cells` and `step_layer`.

Everything stays in one file because numba's cache on disk looks at the file of the outermost function alone: were the
inner ones elsewhere, a change to them would go unnoticed and old code would run.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from deploy.grid import DECAY_BITS, STATE_BITS, U_WRAP, V_MAX
from deploy.runners.vectors import add_rows, view

Array = NDArray[Any]

TILE = 1024
"""Neurons updated together: few enough for the sums to stay in the innermost cache."""

INDEX_BUFFER = 1 << 16
"""Events listed together, over as many steps as fit: within them a block of weights is read from the cache."""

SUM_LIMIT = (1 << 26) - (1 << 18)
"""For sums below this, u is right modulo 2^32 and cannot pass for one that did not wrap: 2^6 of them and what was left
of u reach less than 2^32 - 2^23."""

_U_HALF = np.int32(U_WRAP // 2)
_U_MASK = np.int32(U_WRAP - 1)
_V_MAX = np.int32(V_MAX)
_BITS = np.int32(DECAY_BITS)
_LOW = np.int32((1 << DECAY_BITS) - 1)
_STATE_BITS = np.int32(STATE_BITS)
_SIGN = np.int32(31)

_compile = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
_inline = numba.njit(nogil=True, boundscheck=False, error_model="numpy")


class Synapse(NamedTuple):
    """Weights and geometry of a convolution, in the order in which they are read.

    weight (groups * blocks, rows, lanes) int16: row (ki * kernel_w + kj) * in_channels / groups + c holds what input
    channel c adds through tap (ki, kj). The columns of a kernel are `pieces` runs of `span` neighbouring ones: one run
    unless the kernel is dilated. After `limit` rows a sum could leave int16. No synapse at all has kernel_h 0.
    """

    weight: Array
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


@_inline
def _count(x: Array, r: int, t: int) -> Any:
    """How many events step t of recording r holds, and the bits that occur in its counts."""
    total, bits = np.int64(0), np.uint8(0)
    step = view(x, (r * x.shape[1] + t) * x.shape[2], x.shape[2])
    for n in range(step.size):
        total += np.int64(step[n])
        bits |= step[n]
    return total, np.int64(bits)


@_inline
def _list_events(
    x: Array, r: int, t: int, bits: int, s: Synapse, n: Any, starts: Array, slot: int, index: Array
) -> Any:
    """List the events of step t of recording r from index[n] on: a count of 3 is 3 events. Returns where they end.

    They stand group by group and place by place, those of place p of group g from starts[slot, g, p] on, each as
    column * channels + channel: a row of weights for a kernel whose left edge lies on column 0.
    """
    channels, places = s.in_channels // s.groups, s.in_height * s.in_width
    at = (r * x.shape[1] + t) * x.shape[2]
    for g in range(s.groups):
        begins = view(starts, (slot * s.groups + g) * (places + 1), places + 1)
        for place in range(places):
            begins[place] = n
            row = place % s.in_width * channels
            counts = view(x, at + place * s.in_channels + g * channels, channels)
            found, to = np.uintp(0), view(index, n, index.size - n)
            for c in range(channels):
                # Written in any case and kept where something is counted: no branch to mispredict.
                to[found] = row + c
                if bits > 1:
                    for more in range(1, max(np.int64(counts[c]), 4)):
                        to[found + np.uintp(more)] = row + c
                found += np.uintp(counts[c])
            n += np.int64(found)
        begins[places] = n
    return n


@_inline
def _sum_tile(first: int, count: int, s: Synapse, b: int, starts: Array, slot: int, index: Array, total: Array) -> None:
    """total (count * lanes,) int32 = the sums of block b at `count` places of the output from `first` on."""
    lanes, channels = s.weight.shape[2], s.in_channels // s.groups
    places, group = s.in_height * s.in_width, b // (s.weight.shape[0] // s.groups)
    begins = view(starts, (slot * s.groups + group) * (places + 1), places + 1)
    i, j = first // s.out_width, first % s.out_width
    for n in range(total.size):
        total[n] = 0
    for q in range(count):
        top, left = i * s.stride_h - s.padding_h, j * s.stride_w - s.padding_w
        for piece in range(s.pieces):
            column = left + piece * s.dilation_w
            low, high = max(column, 0), min(column + s.span, s.in_width)
            if high <= low:
                continue
            for ki in range(s.kernel_h):
                row = top + ki * s.dilation_h
                if row < 0 or row >= s.in_height:
                    continue
                start, stop = begins[row * s.in_width + low], begins[row * s.in_width + high]
                offset = ((ki * s.pieces + piece) * s.span - column) * channels + b * s.weight.shape[1]
                while start < stop:
                    end = min(stop, start + s.limit)
                    add_rows(view(total, q * lanes, lanes), s.weight, index, start, end, offset)
                    start = end
        j += 1
        if j == s.out_width:
            i, j = i + 1, 0


@_inline
def _copy(to: Array, values: Array) -> None:
    for n in range(to.size):
        to[n] = values[n]


@_inline
def _add(total: Array, more: Array) -> None:
    for n in range(total.size):
        total[n] += more[n]


@_inline
def _shift(total: Array, exponent: int) -> None:
    """total * 2^exponent in place; a negative exponent is an arithmetic shift to the right."""
    for n in range(total.size):
        total[n] = total[n] << exponent if exponent >= 0 else total[n] >> -exponent


@_inline
def _decay(x: np.int32, keep: np.int32) -> np.int32:
    """x * keep / 4096 toward zero. The product needs 36 bits; by halves of 12 bits it stays within 32."""
    size = np.int32(abs(x))
    high = np.int32(np.int32(size >> _BITS) * keep)
    low = np.int32(np.int32(np.int32(size & _LOW) * keep) >> _BITS)
    kept = np.int32(high + low)
    return kept if x >= 0 else np.int32(-kept)


@_inline
def _update(a: Array, cells: Cells, b: int, first: int, u: Array, v: Array, spikes: Array) -> Any:
    """One step of the neurons of one tile (`deploy.grid`), whose parameters begin at `first` of block b.

    Takes sums a below `SUM_LIMIT`. Returns how often u wrapped and v saturated.
    """
    at = b * cells.bias.shape[1] + first
    keep_u, keep_v = view(cells.keep_u, at, a.size), view(cells.keep_v, at, a.size)
    threshold, bias = view(cells.threshold, at, a.size), view(cells.bias, at, a.size)
    if cells.within:
        for n in range(a.size):
            product = np.int32(v[n] * keep_v[n])
            kept = np.int32(np.int32(product + np.int32(np.int32(product >> _SIGN) & _LOW)) >> _BITS)
            u[n] = np.int32(a[n] << _STATE_BITS)
            potential = np.int32(np.int32(kept + u[n]) + bias[n])
            spike = potential > threshold[n]
            v[n] = np.int32(0) if spike else potential
            spikes[n] = spike
        return np.int32(0), np.int32(0)
    wrapped, saturated = np.int32(0), np.int32(0)
    for n in range(a.size):
        current = np.int32(a[n] << _STATE_BITS)
        if not cells.immediate:
            current = np.int32(current + _decay(u[n], keep_u[n]))
        inside = np.int32(np.int32(np.int32(current + _U_HALF) & _U_MASK) - _U_HALF)
        wrapped += np.int32(inside != current)
        potential = np.int32(np.int32(_decay(v[n], keep_v[n]) + inside) + bias[n])
        clipped = np.int32(min(max(potential, -_V_MAX), _V_MAX))
        saturated += np.int32(clipped != potential)
        spike = clipped > threshold[n]
        u[n] = inside
        v[n] = np.int32(0) if spike else clipped
        spikes[n] = spike
    return wrapped, saturated


@_inline
def _list_steps(x: Array, r: int, begin: int, s: Synapse, starts: Array, index: Array) -> int:
    """List the events of steps of recording r from `begin` on, as many as there is room for; returns the step after."""
    n, t = 0, begin
    while t < x.shape[1] and t - begin < starts.shape[0]:
        events, bits = _count(x, r, t)
        if t > begin and n + events + 4 > index.size:
            break
        n = _list_events(x, r, t, bits, s, n, starts, t - begin, index)
        t += 1
    return t


@_inline
def _room_for_events(x: Array, s: Synapse) -> tuple[Array, Array]:
    """Where the events of some steps are listed: starts (steps, groups, places + 1) and the index of rows."""
    most = INDEX_BUFFER
    for r in range(x.shape[0]):
        for t in range(x.shape[1]):
            most = max(most, _count(x, r, t)[0])
    places = s.in_height * s.in_width
    steps = min(x.shape[1], max(1, INDEX_BUFFER // (s.groups * (places + 1))))
    # More than can be listed, as `_list_events` writes before it knows.
    return np.empty((steps, s.groups, places + 1), np.int64), np.empty(most + 4, np.uint32)


@_compile
def step_layer(
    x: Array,
    s: Synapse,
    base: Array,
    places: int,
    cells: Cells,
    u: Array,
    v: Array,
    spikes: Array,
    u_out: Array,
    v_out: Array,
    overflow: Array,
    sums: Array,
) -> None:
    """Take a layer, neurons and the synapse that feeds them, through T steps of R recordings.

    Args:
        x: (R, T, places in * channels in) uint8, what enters the synapse.
        s: the synapse.
        base: (R, T, places * channels) int32, sums to add to the synapse's, or empty.
        places: of the output.
        cells: the neurons.
        u, v: (R, blocks, places * lanes) int32, the state, changed in place.
        spikes: (R, T, places, channels) uint8, written.
        u_out, v_out: (R, T, channels, places) int32, the state after each step, written unless empty.
        overflow: (R, 2) int64, to which it adds how often u wrapped and v saturated.
        sums: (R, T, places * channels) int32; unless empty, the sums are written there and no neuron is stepped.
    """
    lanes = s.weight.shape[2]
    per_group, blocks = s.out_channels // s.groups, s.weight.shape[0] // s.groups
    total, padded = np.empty(TILE, np.int32), np.empty(TILE, np.uint8)
    starts, index = _room_for_events(x, s)
    for r in range(x.shape[0]):
        begin = 0
        while begin < x.shape[1]:
            end = _list_steps(x, r, begin, s, starts, index)
            for b in range(s.weight.shape[0]):
                channel = b // blocks * per_group + b % blocks * lanes
                width = min(lanes, (b // blocks + 1) * per_group - channel)
                for t in range(begin, end):
                    for place in range(0, places, TILE // lanes):
                        count = min(TILE // lanes, places - place)
                        first, size = place * lanes, count * lanes
                        at = (r * s.weight.shape[0] + b) * u.shape[2] + first
                        a, tile_u, tile_v = view(total, 0, size), view(u, at, size), view(v, at, size)
                        _sum_tile(place, count, s, b, starts, t - begin, index, a)
                        if s.exponent != 0:
                            _shift(a, s.exponent)
                        out = ((r * x.shape[1] + t) * places + place) * s.out_channels + channel
                        if base.size:
                            for q in range(count):
                                _add(view(a, q * lanes, width), view(base, out + q * s.out_channels, width))
                        if sums.size:
                            for q in range(count):
                                _copy(view(sums, out + q * s.out_channels, width), view(a, q * lanes, width))
                            continue
                        in_place = width == lanes and width == s.out_channels
                        fired = view(spikes, out, size) if in_place else view(padded, 0, size)
                        wrapped, saturated = _update(a, cells, b, first * cells.per_place, tile_u, tile_v, fired)
                        overflow[r, 0] += wrapped
                        overflow[r, 1] += saturated
                        for q in range(0 if in_place else count):
                            _copy(view(spikes, out + q * s.out_channels, width), view(fired, q * lanes, width))
                        if v_out.size:
                            for c in range(width):
                                for q in range(count):
                                    u_out[r, t, channel + c, place + q] = tile_u[q * lanes + c]
                                    v_out[r, t, channel + c, place + q] = tile_v[q * lanes + c]
            begin = end


@_compile
def sum_windows(x: Array, kernel: Any, stride: Any, padding: Any, out: Array) -> None:
    """out (R, T, H', W', C) = the sums over windows of x (R, T, H, W, C) uint8, in a type that holds them."""
    recordings, steps, height, width, channels = x.shape
    out[:] = 0
    for step in range(recordings * steps):
        for i in range(out.shape[2]):
            top = i * stride[0] - padding[0]
            for j in range(out.shape[3]):
                left = j * stride[1] - padding[1]
                total = view(out, ((step * out.shape[2] + i) * out.shape[3] + j) * channels, channels)
                for row in range(max(top, 0), min(top + kernel[0], height)):
                    for column in range(max(left, 0), min(left + kernel[1], width)):
                        _add(total, view(x, ((step * height + row) * width + column) * channels, channels))


@_compile
def channels_last(x: Array, out: Array) -> None:
    """out (R, T, places, C) = x (R, T, C, places), both uint8."""
    for r in range(x.shape[0]):
        for t in range(x.shape[1]):
            step, to = x[r, t], out[r, t]
            for c in range(step.shape[0]):
                for place in range(step.shape[1]):
                    to[place, c] = step[c, place]
