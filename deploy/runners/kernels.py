"""Compiled inner loops of the integer simulator: synapses driven by events, fused with the neurons they feed.

For each place of the output the rows of weights of the inputs that spiked there are added up in vector registers, and
the sums go straight into the neurons, tile by tile: they never reach memory. A dense layer is a convolution of a 1 x 1
image. What every array holds is said at `Synapse` and `Cells` (deploy/runners/layer_data.py) and at `step_layer`.

Everything stays in one file because numba's cache on disk looks at the file of the outermost function alone: were the
inner ones elsewhere, a change to them would go unnoticed and old code would run.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from deploy.grid import DECAY_BITS, STATE_BITS, U_WRAP, V_MAX
from deploy.runners.layer_data import Cells, Synapse
from deploy.runners.vectors import add_rows, load_word, view

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
_1, _2, _3 = np.uintp(1), np.uintp(2), np.uintp(3)

_compile = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
_inline = numba.njit(nogil=True, boundscheck=False, error_model="numpy")


class Listed(NamedTuple):
    """The rows to add for some steps: room for them, and where they are.

    Rows of a step with `coded` 0 are events: those of place p of group g stand from rows[starts[step, g, p]] up to
    rows[starts[step, g, p + 1]], each as column * channels + channel, which is a row of weights for a kernel whose
    left edge lies on column 0. Else they are rows of the table, kernel_h * words for every place of the output, from
    rows[starts[step, 0, 0]] on. `padded` holds a step with its border of zeros.
    """

    starts: Array
    rows: Array
    coded: Array
    padded: Array


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
def _list_events(x: Array, r: int, t: int, bits: int, s: Synapse, n: Any, listed: Listed, slot: int) -> Any:
    """List the events of step t of recording r from index[n] on: a count of 3 is 3 events. Returns where they end."""
    channels, places, index = s.in_channels // s.groups, s.in_height * s.in_width, listed.rows
    at = (r * x.shape[1] + t) * x.shape[2]
    for g in range(s.groups):
        begins = view(listed.starts, (slot * s.groups + g) * (places + 1), places + 1)
        for place in range(places):
            begins[place] = n
            row = place % s.in_width * channels
            counts = view(x, at + place * s.in_channels + g * channels, channels)
            found, to = np.uintp(0), view(index, n, index.size - n)
            for c in range(channels):
                # Written in any case and kept where something is counted: no branch to mispredict.
                to[found] = row + c
                if bits > 1:
                    to[found + _1] = to[found + _2] = to[found + _3] = row + c
                    for more in range(4, counts[c]):
                        to[found + np.uintp(more)] = row + c
                found += np.uintp(counts[c])
            n += np.int64(found)
        begins[places] = n
    return n


@_inline
def _list_codes(x: Array, r: int, t: int, s: Synapse, places: int, n: Any, listed: Listed, slot: int) -> Any:
    """List the rows of the table for step t of recording r from index[n] on. Returns where they end."""
    line, wide = s.in_width * s.in_channels, (s.in_width + 2 * s.padding_w) * s.in_channels
    at = (r * x.shape[1] + t) * x.shape[2]
    for i in range(s.in_height):
        inside = view(listed.padded, (i + s.padding_h) * wide + s.padding_w * s.in_channels, line)
        _copy(inside, view(x, at + i * line, line))
    listed.starts[slot, 0, 0] = n
    rest = np.uint64(s.span * s.in_channels - 8 * (s.words - 1))
    last = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(np.uint64(64) - np.uint64(8) * rest)
    to, k = view(listed.rows, n, places * s.kernel_h * s.words), 0
    for i in range(places // s.out_width):
        for j in range(s.out_width):
            for ki in range(s.kernel_h):
                begin = (i * s.stride_h + ki * s.dilation_h) * wide + j * s.stride_w * s.in_channels
                for w in range(s.words):
                    word = load_word(listed.padded, begin + 8 * w)
                    word &= last if w == s.words - 1 else np.uint64(0xFFFFFFFFFFFFFFFF)
                    # The lowest bits of eight bytes, gathered in the highest byte.
                    code = np.uint64(word * np.uint64(0x0102040810204080)) >> np.uint64(56)
                    to[k] = np.int64(code) + (ki * s.words + w) * 256
                    k += 1
    return n + k


@_inline
def _sum_tile(first: int, count: int, s: Synapse, b: int, listed: Listed, slot: int, total: Array) -> None:
    """total (count * lanes,) int32 = the sums of block b at `count` places of the output from `first` on."""
    lanes, channels, index = s.weight.shape[2], s.in_channels // s.groups, listed.rows
    places, group = s.in_height * s.in_width, b // (s.weight.shape[0] // s.groups)
    begins = view(listed.starts, (slot * s.groups + group) * (places + 1), places + 1)
    for n in range(total.size):
        total[n] = 0
    if listed.coded[slot]:
        rows = s.kernel_h * s.words
        for q in range(count):
            start = begins[0] + (first + q) * rows
            add_rows(view(total, q * lanes, lanes), s.table, index, start, start + rows, b * s.table.shape[1])
        return
    i, j = first // s.out_width, first % s.out_width
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
def _list_steps(x: Array, r: int, begin: int, s: Synapse, places: int, listed: Listed) -> int:
    """List the rows of steps of recording r from `begin` on, as many as there is room for; returns the step after."""
    n, t = 0, begin
    while t < x.shape[1] and t - begin < listed.coded.size:
        events, bits = _count(x, r, t)
        coded = s.words > 0 and bits <= 1
        more = places * s.kernel_h * s.words if coded else events
        if t > begin and n + more + 4 > listed.rows.size:
            break
        listed.coded[t - begin] = coded
        if coded:
            n = _list_codes(x, r, t, s, places, n, listed, t - begin)
        else:
            n = _list_events(x, r, t, bits, s, n, listed, t - begin)
        t += 1
    return t


@_inline
def _room(x: Array, s: Synapse, places: int) -> Listed:
    """Room for the rows of at least one step, and of as many as the cache holds."""
    most = max(INDEX_BUFFER, places * s.kernel_h * s.words)
    for r in range(x.shape[0]):
        for t in range(x.shape[1]):
            most = max(most, _count(x, r, t)[0])
    inputs = s.in_height * s.in_width + 1
    steps = min(x.shape[1], max(1, INDEX_BUFFER // (s.groups * inputs)))
    height, width = s.in_height + 2 * s.padding_h, s.in_width + 2 * s.padding_w
    # A bit more than needed: events are written before it is known that they are some, words read past the end.
    padded = np.zeros((height * width * s.in_channels if s.words else 0) + 8, np.uint8)
    starts, index = np.empty((steps, s.groups, inputs), np.int64), np.empty(most + 4, np.uint32)
    return Listed(starts, index, np.empty(steps, np.uint8), padded)


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
    listed = _room(x, s, places)
    for r in range(x.shape[0]):
        begin = 0
        while begin < x.shape[1]:
            end = _list_steps(x, r, begin, s, places, listed)
            for b in range(s.weight.shape[0]):
                channel = b // blocks * per_group + b % blocks * lanes
                width = min(lanes, (b // blocks + 1) * per_group - channel)
                for t in range(begin, end):
                    for place in range(0, places, TILE // lanes):
                        count = min(TILE // lanes, places - place)
                        first, size = place * lanes, count * lanes
                        at = (r * s.weight.shape[0] + b) * u.shape[2] + first
                        a, tile_u, tile_v = view(total, 0, size), view(u, at, size), view(v, at, size)
                        _sum_tile(place, count, s, b, listed, t - begin, a)
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
