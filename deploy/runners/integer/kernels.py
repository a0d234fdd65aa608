"""Compiled inner loops of the integer simulator: synapses driven by events, fused with the neurons they feed.

Sums are made in one of three ways. Scattered: each event adds its run of weights to the sums of all places that it
reaches, in int16; nothing is done where nothing happens. So it goes where those sums are proven to fit int16.
Gathered: for each place of the output the rows of weights of the inputs that spiked in its window are added up in
vector registers, and widened before they leave int16. Multiplied (products.py): every input is, where so many spike
that this is the faster. All go straight into the neurons, tile by tile. A dense layer is a convolution of a 1 x 1
image. What every array holds is said at `Scatter`, `Product`, `Synapse`, `Cells` (layer_data.py) and `step_layer`.

Everything stays in one file because numba's cache on disk looks at the file of the outermost function alone: were the
inner ones elsewhere, a change to them would go unnoticed and old code would run.
"""

from typing import Any

import numba
import numpy as np

from deploy.grid import DECAY_BITS, STATE_BITS, U_WRAP, V_MAX
from deploy.network import Array
from deploy.runners.integer.layer_data import Cells, Listed, Product, Scatter, Synapse
from deploy.runners.integer.products import PLACES_TOGETHER, multiply, together
from deploy.runners.integer.vectors import add_rows, lowest, ones, view, which
from deploy.traces.mixing import DIGEST_STEP, mixed

TILE = 1024
"""Neurons updated together: few enough for the sums to stay in the innermost cache."""

INDEX_BUFFER = 1 << 16
"""Events listed together, over as many steps as fit: within them a block of weights is read from the cache."""

IMAGE_BUFFER = 1 << 18
"""Bytes of the images that are multiplied together, over as many steps as fit; whether they are is asked anew then."""

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
_1 = np.uint64(1)

_compile = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
_inline = numba.njit(nogil=True, boundscheck=False, error_model="numpy")


@_inline
def _list_events(x: Array, at: int, s: Synapse, many: bool, n: int, listed: Listed, slot: int) -> int:
    """List the events of the step of x that begins at `at`, from rows[n] on. Returns where they end."""
    channels, places = s.in_channels // s.groups, s.in_height * s.in_width
    for g in range(s.groups):
        begins = view(listed.starts, (slot * s.groups + g) * (places + 1), places + 1)
        for place in range(places):
            begins[place] = n
            row = place % s.in_width * channels
            begin = at + place * s.in_channels + g * channels
            for first in range(0, channels, 64):
                mask = which(x, begin + first, min(64, channels - first))
                while mask:
                    c = first + lowest(mask)
                    mask &= mask - _1
                    for _ in range(view(x, begin + c, 1)[0] if many else 1):
                        listed.rows[n] = row + c
                        n += 1
        begins[places] = n
    return n


@_inline
def _list_scattered(x: Array, at: int, p: Scatter, many: bool, n: int, listed: Listed, slot: int) -> int:
    """The same for an input that is scattered."""
    listed.starts[slot, 0] = n
    for part in range(p.part_at.size):
        begin, at_first, row_first = at + part * p.at.size, p.part_at[part], p.part_row[part]
        for first in range(0, p.at.size, 64):
            mask = which(x, begin + first, min(64, p.at.size - first))
            while mask:
                c = first + lowest(mask)
                mask &= mask - _1
                for _ in range(view(x, begin + c, 1)[0] if many else 1):
                    listed.rows[n] = row_first + p.row[c]
                    listed.places[n] = at_first + p.at[c]
                    n += 1
    listed.starts[slot, 1] = n
    return n


@_inline
def _scatter(p: Scatter, b: int, listed: Listed, slot: int, sums: Array) -> None:
    """Add what the events of a step bring to the sums of block b."""
    k, stop, places = listed.starts[slot, 0], listed.starts[slot, 1], listed.places
    while k < stop:
        at, row, end = np.int64(places[k]), b * p.weight.shape[1], k + 1
        while end < stop and places[end] == at:
            end += 1
        for _ in range(p.taps if at >= 0 else 0):
            add_rows(view(sums, at, p.weight.shape[2]), p.weight, listed.rows, k, end, row)
            at, row = at - p.line, row + p.step
        k = end


@_inline
def _take_tile(first: int, count: int, p: Scatter, width: int, lanes: int, sums: Array, total: Array) -> None:
    """total (count * lanes,) int32 = the sums at `count` places of the output from `first` on, which become zero."""
    i, j, q = first // width, first % width, 0
    while q < count:
        places = min(count - q, width - j)
        of = view(sums, (i + p.taps - 1) * p.line + p.left + j * lanes, places * lanes)
        to = view(total, q * lanes, places * lanes)
        for n in range(to.size):
            to[n] = of[n]
            of[n] = 0
        i, j, q = i + 1, 0, q + places


@_inline
def _sum_tile(first: int, count: int, s: Synapse, b: int, listed: Listed, slot: int, total: Array) -> None:
    """total (count * lanes,) int32 = the sums of block b at `count` places of the output from `first` on."""
    lanes, channels = s.weight.shape[2], s.in_channels // s.groups
    places, group = s.in_height * s.in_width, b // (s.weight.shape[0] // s.groups)
    begins = view(listed.starts, (slot * s.groups + group) * (places + 1), places + 1)
    for n in range(total.size):
        total[n] = 0
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
                    add_rows(view(total, q * lanes, lanes), s.weight, listed.rows, start, end, offset)
                    start = end
        j += 1
        if j == s.out_width:
            i, j = i + 1, 0


@_inline
def _count(x: Array, at: int, size: int, many: bool) -> int:
    """How many events the `size` inputs of x from `at` on hold."""
    found = 0
    if many:
        for value in view(x, at, size):
            found += value
        return found
    for first in range(0, size, 64):
        found += ones(which(x, at + first, min(64, size - first)))
    return found


@_inline
def _draw(x: Array, at: int, p: Product, s: Synapse, image: Array) -> None:
    """Lay the inputs of the step of x that begins at `at` into an image, with their channels innermost."""
    channels, height, width = s.in_channels, s.in_height, s.in_width
    for i in range(height):
        to = view(image, p.begin + i * p.line, width * channels)
        if p.channels_first:
            for c in range(channels):
                of = view(x, at + (c * height + i) * width, width)
                for j in range(width):
                    to[j * channels + c] = of[j]
            continue
        if p.window_h * p.window_w == 1:
            _copy(to, view(x, at + i * width * channels, width * channels))
            continue
        for j in range(width):
            total = view(to, j * channels, channels)
            for n in range(p.window_h * p.window_w):
                row, column = i * p.window_h + n // p.window_w, j * p.window_w + n % p.window_w
                of = view(x, at + (row * p.from_width + column) * channels, channels)
                if n == 0:
                    _copy(total, of)
                else:
                    _add(total, of)


@_inline
def _multiply_tile(
    first: int, count: int, lanes: int, p: Product, b: int, image: Array, at: Array, total: Array
) -> None:
    """total (count * lanes,) int32 = the sums of block b at `count` places from `first` on, in whole groups of them."""
    for q in range(0, count, together(lanes)):
        multiply(total, q * lanes, lanes, p.weight, b * p.weight.shape[1], image, at, first + q, p.taps, p.tap, p.words)


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
    # A product stays in 32 bits, while the compiler would shift to the left in 64.
    factor = np.int32(1 << max(exponent, 0))
    for n in range(total.size):
        total[n] = np.int32(total[n] * factor) if exponent >= 0 else np.int32(total[n] >> -exponent)


@_inline
def _decay(x: np.int32, keep: np.int32) -> np.int32:
    """x * keep / 4096 toward zero. The product needs 36 bits; by halves of 12 bits it stays within 32."""
    size = np.int32(abs(x))
    high = np.int32(np.int32(size >> _BITS) * keep)
    low = np.int32(np.int32(np.int32(size & _LOW) * keep) >> _BITS)
    kept = np.int32(high + low)
    return kept if x >= 0 else np.int32(-kept)


@_inline
def _update(a: Array, cells: Cells, at: int, u: Array, v: Array, spikes: Array) -> Any:
    """One step of the neurons of one tile (`deploy.grid`), whose parameters begin at `at`.

    Takes sums a below `SUM_LIMIT`. Returns how often u wrapped and v saturated.
    """
    keep_u, keep_v = view(cells.keep_u, at, a.size), view(cells.keep_v, at, a.size)
    threshold, bias = view(cells.threshold, at, a.size), view(cells.bias, at, a.size)
    if not cells.hard_reset:
        return _update_otherwise(a, cells, keep_u, keep_v, threshold, bias, u, v, spikes)
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
def _update_otherwise(
    a: Array,
    cells: Cells,
    keep_u: Array,
    keep_v: Array,
    threshold: Array,
    bias: Array,
    u: Array,
    v: Array,
    spikes: Array,
) -> Any:
    """The same for neurons whose reset is soft, late or none; with these choices in it `_update` is a tenth slower.

    What a late reset still owes shows in v itself: it lies above the threshold.
    """
    wrapped, saturated = np.int32(0), np.int32(0)
    for n in range(a.size):
        current = np.int32(a[n] << _STATE_BITS)
        if not cells.immediate:
            current = np.int32(current + _decay(u[n], keep_u[n]))
        inside = np.int32(np.int32(np.int32(current + _U_HALF) & _U_MASK) - _U_HALF)
        wrapped += np.int32(inside != current)
        potential = np.int32(np.int32(_decay(v[n], keep_v[n]) + inside) + bias[n])
        if cells.late_reset and v[n] > threshold[n]:
            potential = np.int32(potential - threshold[n]) if cells.soft_reset else np.int32(0)
        clipped = np.int32(min(max(potential, -_V_MAX), _V_MAX))
        saturated += np.int32(clipped != potential)
        spike = clipped > threshold[n]
        u[n] = inside
        v[n] = np.int32(clipped - threshold[n]) if spike and cells.soft_reset and not cells.late_reset else clipped
        spikes[n] = spike
    return wrapped, saturated


@_inline
def _digest_constants(size: int, lanes: int, places: int) -> Array:
    """By how much the constant of each neuron of a tile exceeds that of its first, modulo 2^64."""
    constants = np.empty(size, np.uint64)
    for n in range(size):
        constants[n] = np.uint64(n % lanes * places + n // lanes) * DIGEST_STEP
    return constants


@_inline
def _digest(tile: Array, lanes: int, width: int, constants: Array, start: np.uint64) -> np.uint64:
    """What a tile (count, lanes), of which `width` lanes are neurons, adds to the checksum (`deploy.traces.mixing`)."""
    total = np.uint64(0)
    # In one run where no lane only fills up the block.
    run = tile.size if width == lanes else width
    for q in range(0, tile.size, tile.size if width == lanes else lanes):
        states, of = view(tile, q, run), view(constants, q, run)
        for n in range(run):
            total += mixed(np.uint64(start + of[n]), states[n])
    return total


@_inline
def _write_state(tile: Array, lanes: int, width: int, out: Array, row: int, place: int) -> None:
    """out.reshape(-1, places)[row : row + width, place : place + count] = the channels of a tile (count, lanes)."""
    count = tile.size // lanes
    for c in range(width):
        to = view(out, (row + c) * out.shape[3] + place, count)
        for q in range(count):
            to[q] = tile[q * lanes + c]


@_inline
def _list_steps(x: Array, r: int, begin: int, s: Synapse, largest: int, listed: Listed) -> int:
    """List the events of steps of recording r from `begin` on, as many as there is room for; returns the step after."""
    n, t, many = 0, begin, largest > 1
    while t < x.shape[1] and t - begin < listed.starts.shape[0]:
        if t > begin and n + x.shape[2] * largest > listed.rows.size:
            break
        at = (r * x.shape[1] + t) * x.shape[2]
        if s.scatter.weight.size:
            n = _list_scattered(x, at, s.scatter, many, n, listed, t - begin)
        else:
            n = _list_events(x, at, s, many, n, listed, t - begin)
        t += 1
    return t


@_inline
def _room(x: Array, s: Synapse, largest: int) -> Listed:
    """Room for the events of at least one step; of as many as the cache holds, if weights are read in blocks."""
    scattered = s.scatter.weight.size > 0
    parts = 2 if scattered else s.groups * (s.in_height * s.in_width + 1)
    steps = min(x.shape[1], max(1, INDEX_BUFFER // parts)) if s.weight.shape[0] > 1 else 1
    events = x.shape[2] * largest + (INDEX_BUFFER if steps > 1 else 0)
    places = np.empty(events if scattered else 0, np.int32)
    return Listed(np.empty((steps, parts), np.int64), np.empty(events, np.uint32), places)


@_compile
def step_layer(
    x: Array,
    largest: int,
    s: Synapse,
    base: Array,
    places: int,
    cells: Cells,
    u: Array,
    v: Array,
    spikes: Array,
    u_out: Array,
    v_out: Array,
    digests: Array,
    overflow: Array,
    sums: Array,
) -> None:
    """Take a layer, neurons and the synapse that feeds them, through T steps of R recordings.

    Args:
        x: (R, T, places in * channels in) uint8, what enters the synapse, or its pooling.
        largest: count in x.
        s: the synapse.
        base: (R, T, places * channels) int32, sums to add to the synapse's, or empty.
        places: of the output.
        cells: the neurons.
        u, v: (R, blocks, places * lanes) int32, the state, changed in place.
        spikes: (R, T, places, channels) uint8, written.
        u_out, v_out: (R', T, channels, places) int32, the state after each step of the first R' recordings, written.
        digests: (R, T, 2) uint64, to which it adds the checksums of u and v after each step, unless empty.
        overflow: (R, 2) int64, to which it adds how often u wrapped and v saturated.
        sums: (R, T, places * channels) int32; unless empty, the sums are written there and no neuron is stepped.
    """
    lanes = s.weight.shape[2]
    per_group, blocks = s.out_channels // s.groups, s.weight.shape[0] // s.groups
    total, padded = np.empty(TILE, np.int32), np.empty(TILE, np.uint8)
    current = np.empty(TILE, np.int32)
    # Once, and as views, because every use of a tuple counts references to each of its arrays.
    p, parameters = s.scatter, cells.bias.shape[1]
    cells = Cells(
        view(cells.keep_u, 0, cells.keep_u.size),
        view(cells.keep_v, 0, cells.keep_v.size),
        view(cells.threshold, 0, cells.threshold.size),
        view(cells.bias, 0, cells.bias.size),
        cells.immediate,
        cells.per_place,
        cells.within,
        cells.hard_reset,
        cells.soft_reset,
        cells.late_reset,
    )
    listed, scattered = _room(x, s, largest), p.weight.size > 0
    # A run that is filled up with zeros may reach beyond the last row.
    scatter_sums = np.zeros(p.rows * p.line + p.weight.shape[2], np.int16)
    product, dense = s.product, np.int64(s.in_height) * s.in_width * s.in_channels
    can_multiply = product.events_cost > 0
    image_count = min(x.shape[1], max(1, IMAGE_BUFFER // product.size)) if can_multiply else 0
    images = np.zeros(image_count * product.size, np.uint8)
    # A single place is the same for every step: the steps take turns where the places do otherwise.
    single = can_multiply and places == 1
    ahead = np.empty((image_count + PLACES_TOGETHER) * lanes if single else 0, np.int32)
    at_step = np.zeros(image_count + PLACES_TOGETHER, np.int32)
    for n in range(image_count):
        at_step[n] = n * product.size
    constants = _digest_constants(TILE if digests.size else 0, lanes, places)
    for r in range(x.shape[0]):
        begin = 0
        while begin < x.shape[1]:
            end = min(x.shape[1], begin + image_count)
            step_at = (r * x.shape[1] + begin) * x.shape[2]
            # (Without a product there are no steps, no events.)
            events = _count(x, step_at, (end - begin) * x.shape[2], largest > 1)
            multiplied = events * product.events_cost > (end - begin) * dense
            if multiplied:
                for n in range(end - begin):
                    _draw(x, step_at + n * x.shape[2], product, s, view(images, n * product.size, product.size))
            else:
                end = _list_steps(x, r, begin, s, largest, listed)
            for b in range(s.weight.shape[0]):
                channel = b // blocks * per_group + b % blocks * lanes
                width = min(lanes, (b // blocks + 1) * per_group - channel)
                if multiplied and single:
                    _multiply_tile(0, end - begin, lanes, product, b, images, at_step, ahead)
                for t in range(begin, end):
                    image = view(images, (t - begin) * product.size, product.size)
                    if scattered and not multiplied:
                        _scatter(p, b, listed, t - begin, scatter_sums)
                    for place in range(0, places, TILE // lanes):
                        count = min(TILE // lanes, places - place)
                        first, size = place * lanes, count * lanes
                        at = (r * s.weight.shape[0] + b) * u.shape[2] + first
                        a, tile_v = view(total, 0, size), view(v, at, size)
                        # A current of which nothing is left is no state: it need not go to memory and back.
                        tile_u = view(current, 0, size) if cells.immediate else view(u, at, size)
                        if multiplied and single:
                            _copy(a, view(ahead, (t - begin) * lanes, lanes))
                        elif multiplied:
                            _multiply_tile(place, count, lanes, product, b, image, product.at, total)
                        elif scattered:
                            _take_tile(place, count, p, s.out_width, lanes, scatter_sums, a)
                        else:
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
                        wrapped, saturated = _update(
                            a, cells, b * parameters + first * cells.per_place, tile_u, tile_v, fired
                        )
                        overflow[r, 0] += wrapped
                        overflow[r, 1] += saturated
                        for q in range(0 if in_place else count):
                            _copy(view(spikes, out + q * s.out_channels, width), view(fired, q * lanes, width))
                        if digests.size:
                            kept = view(digests, (r * x.shape[1] + t) * 2, 2)
                            start = np.uint64(channel * places + place + 1) * DIGEST_STEP
                            kept[0] += _digest(tile_u, lanes, width, constants, start)
                            kept[1] += _digest(tile_v, lanes, width, constants, start)
                        row = (r * x.shape[1] + t) * s.out_channels + channel
                        if r < u_out.shape[0]:
                            _write_state(tile_u, lanes, width, u_out, row, place)
                        if r < v_out.shape[0]:
                            _write_state(tile_v, lanes, width, v_out, row, place)
            begin = end
