"""Compiled inner loops of the float runner: synapses driven by what is not zero, and the neurons.

The order of a sum is stated, so it is the same on every machine, in every batch, on any number of threads, at any
activity: from 0 on, weight times input is added, one input after the other, by row, column and channel of the input
(where images are flattened for dense layers alone, by those of the image), then the bias. Every product and every sum
is rounded to float32; none are fused. Inputs of 0 are left out: they add nothing, as weights are finite.

Everything but `integer/vectors.py` stays in one file, because numba's cache on disk looks at the file of the outermost
function alone.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from deploy.network import Array
from deploy.runners.integer.vectors import LANES, lowest, view, which

TILE = 1024
"""Neurons updated together: few enough for their values to stay in the innermost cache."""

Float = NDArray[np.float32]
_compile = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
_inline = numba.njit(nogil=True, boundscheck=False, error_model="numpy")
_instructions: Any = intrinsic
_1 = np.uint64(1)


class Geometry(NamedTuple):
    """Of a convolution over (H, W, C) inputs, as the kernel reads it. A dense layer is one of a 1 x 1 image."""

    groups: int
    in_height: int
    in_width: int
    in_channels: int
    out_height: int
    out_width: int
    out_channels: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    padding_h: int
    padding_w: int
    dilation_h: int
    dilation_w: int


@_instructions
def _add_products(
    typing: Any, total: Any, weight: Any, row: Any, value: Any, start: Any, stop: Any, offset: Any
) -> Any:
    """total (width,) += value[k] * weight[row[k] + offset] for k from start to stop, one or more, one after the other.

    The total stays in registers; left to itself the compiler reads and writes it for every row. One width of `LANES`.
    """
    word, single = ir.IntType(64), ir.FloatType()

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = zip(signature.args[:4], args[:4], strict=True)
        arrays = [context.make_array(kind)(context, builder, given) for kind, given in kinds]
        after = builder.append_basic_block()
        choice = builder.switch(builder.extract_value(arrays[0].shape, 0), after)
        for width in LANES:
            block = builder.append_basic_block()
            choice.add_case(word(width), block)
            builder.position_at_end(block)
            add_of(builder, width, [array.data for array in arrays], *args[4:])
            builder.branch(after)
        builder.position_at_end(after)
        return context.get_dummy_value()

    def add_of(builder: Any, width: int, data: Any, start: Any, stop: Any, offset: Any) -> None:
        total, weight, row, value = data
        vector = ir.VectorType(single, width)

        def at(array: Any, place: Any) -> Any:
            return builder.bitcast(builder.gep(array, [place]), vector.as_pointer())

        to = at(total, word(0))
        begin = builder.load(to, align=4)
        entry, loop, done = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        k, so_far = builder.phi(word), builder.phi(vector)
        of = builder.zext(builder.load(builder.gep(row, [k])), word)
        first = builder.mul(builder.add(of, offset), word(width))
        one = builder.insert_element(vector(ir.Undefined), builder.load(builder.gep(value, [k])), ir.IntType(32)(0))
        everywhere = builder.shuffle_vector(one, vector(ir.Undefined), ir.VectorType(ir.IntType(32), width)(None))
        more = builder.fadd(so_far, builder.fmul(everywhere, builder.load(at(weight, first), align=4)))
        following = builder.add(k, word(1))
        for phi, before, later in ((k, start, following), (so_far, begin, more)):
            phi.add_incoming(before, entry)
            phi.add_incoming(later, loop)
        builder.cbranch(builder.icmp_signed("<", following, stop), loop, done)
        builder.position_at_end(done)
        builder.store(more, to, align=4)

    return types.void(total, weight, row, value, start, stop, offset), generate


@_inline
def _list(x: Any, at: int, counts: bool, g: Geometry, group: int, starts: Array, rows: Array, values: Float) -> None:
    """List what is not zero of one step of x from `at` on, by place: its column * channels + channel, and its value."""
    channels, n = g.in_channels // g.groups, 0
    for place in range(g.in_height * g.in_width):
        starts[place] = n
        row, begin = place % g.in_width * channels, at + place * g.in_channels + group * channels
        seen = view(x, begin, channels)
        if counts:
            for first in range(0, channels, 64):
                mask = which(x, begin + first, min(64, channels - first))
                while mask:
                    c = first + lowest(mask)
                    mask &= mask - _1
                    rows[n], values[n] = row + c, seen[c]
                    n += 1
        else:
            for c in range(channels):
                # Written in any case and kept where it counts: a jump that nobody can foresee costs more.
                rows[n], values[n] = row + c, seen[c]
                n += seen[c] != 0
    starts[g.in_height * g.in_width] = n


@_inline
def _list_all(x: Any, at: int, counts: bool, size: int, rows: Array, values: Float) -> int:
    """List what is not zero among the `size` values of x from `at` on: where it is, and its value. Returns how many."""
    n, seen = 0, view(x, at, size)
    if counts:
        for first in range(0, size, 64):
            mask = which(x, at + first, min(64, size - first))
            while mask:
                k = first + lowest(mask)
                mask &= mask - _1
                rows[n], values[n] = k, seen[k]
                n += 1
    else:
        for k in range(size):
            rows[n], values[n] = k, seen[k]
            n += seen[k] != 0
    return n


@_inline
def _scatter(n: int, weight: Float, bias: Float, g: Geometry, rows: Array, values: Float, out: Float) -> None:
    """out (places * channels,) = the sums of one step, each of n inputs added to all places that it reaches."""
    lanes, channels, line = weight.shape[2], g.in_channels, g.in_width * g.in_channels
    out[:] = np.float32(0)
    for k in range(n):
        at = np.int64(rows[k])
        y, x = at // line + g.padding_h, at % line // channels + g.padding_w
        c = at % channels
        for ki in range(g.kernel_h):
            above = y - ki * g.dilation_h
            i = above // g.stride_h
            if above < 0 or i >= g.out_height or i * g.stride_h != above:
                continue
            for kj in range(g.kernel_w):
                left = x - kj * g.dilation_w
                j = left // g.stride_w
                if left < 0 or j >= g.out_width or j * g.stride_w != left:
                    continue
                first = (i * g.out_width + j) * g.out_channels
                # Rows are added to what is listed: here it is where the input lies.
                offset = (ki * g.kernel_w + kj) * channels + c - at
                for b in range(weight.shape[0]):
                    to = view(out, first + b * lanes, lanes)
                    _add_products(to, weight, rows, values, k, k + 1, offset + b * weight.shape[1])
    if bias.shape[1]:
        brought = view(bias, 0, g.out_channels)
        for place in range(g.out_height * g.out_width):
            to = view(out, place * g.out_channels, g.out_channels)
            for c in range(g.out_channels):
                to[c] += brought[c]


@_inline
def _gather(
    group: int,
    b: int,
    weight: Float,
    bias: Float,
    g: Geometry,
    starts: Array,
    rows: Array,
    values: Float,
    total: Float,
    out: Float,
) -> None:
    """out (places * channels,) = block b of the sums of one step, each place adding up what lies in its window."""
    lanes, channels, blocks = weight.shape[2], g.in_channels // g.groups, weight.shape[0] // g.groups
    per_group, block = g.out_channels // g.groups, group * blocks + b
    width, channel = min(lanes, per_group - b * lanes), group * per_group + b * lanes
    span = g.kernel_w if g.dilation_w == 1 else 1
    for i in range(g.out_height):
        for j in range(g.out_width):
            total[:] = np.float32(0)
            left = j * g.stride_w - g.padding_w
            for ki in range(g.kernel_h):
                row = i * g.stride_h - g.padding_h + ki * g.dilation_h
                if row < 0 or row >= g.in_height:
                    continue
                for kj in range(0, g.kernel_w, span):
                    column = left + kj * g.dilation_w
                    low, high = max(column, 0), min(column + span, g.in_width)
                    if high <= low:
                        continue
                    start, stop = starts[row * g.in_width + low], starts[row * g.in_width + high]
                    if start < stop:
                        offset = (ki * g.kernel_w + kj - column) * channels + block * weight.shape[1]
                        _add_products(total, weight, rows, values, start, stop, offset)
            to = view(out, (i * g.out_width + j) * g.out_channels + channel, width)
            for c in range(width):
                to[c] = total[c] + bias[block, c] if bias.shape[1] else total[c]


@_compile
def sums_of(x: Any, weight: Float, bias: Float, g: Geometry, few: int, out: Float) -> None:
    """out (R, T, H', W', C') = the sums of a synapse over x (R, T, H, W, C) uint8 or float32, in the stated order.

    Args:
        x: what enters.
        weight: (groups * blocks, kernel_h * kernel_w * channels in / groups, lanes), padded with zeros.
        bias: (groups * blocks, lanes) or (groups * blocks, 0) for none.
        g: the geometry.
        few: of up to so many inputs each goes to the places that it reaches; of more, each place looks at its window.
        out: written.
    """
    places, size = g.in_height * g.in_width, g.in_height * g.in_width * g.in_channels
    sums, counts = g.out_height * g.out_width * g.out_channels, x.itemsize == 1
    starts = np.empty(places + 1, np.int64)
    # One more, for what is written in any case.
    rows, values = np.empty(size + 1, np.uint32), np.empty(size + 1, np.float32)
    total = np.empty(weight.shape[2], np.float32)
    for step in range(x.shape[0] * x.shape[1]):
        to = view(out, step * sums, sums)
        if few:
            n = _list_all(x, step * size, counts, size, rows, values)
            if n <= few:
                _scatter(n, weight, bias, g, rows, values, to)
                continue
        for group in range(g.groups):
            _list(x, step * size, counts, g, group, starts, rows, values)
            for b in range(weight.shape[0] // g.groups):
                _gather(group, b, weight, bias, g, starts, rows, values, total, to)


@_compile
def step_neurons(
    x: Float,
    parameters: Any,
    kind: Any,
    u: Float,
    v: Float,
    spikes: Array,
    u_out: Float,
    v_out: Float,
) -> None:
    """The equations of `FloatNeuron` over the steps of x (R, T, n), products and sums not fused, as PyTorch's are not.

    Args:
        x: what arrives.
        parameters: keep, gain, bias, threshold, reset, current_keep, current_gain, each (n,).
        kind: whether it spikes, whether its current decays, whether spikes reset v at all, softly, in the step after.
        u, v: (R, n), the state, changed in place.
        spikes: (R, T, n) uint8, written if it spikes.
        u_out, v_out: (R, T, n) or (R, 0, n), the state after each step, written unless empty.
    """
    keep, gain, bias, threshold, reset, current_keep, current_gain = parameters
    spiking, decays_current, resets, softly, late = kind
    recordings, steps, size = x.shape
    plain = spiking and resets and not softly and not late and not decays_current
    potentials = np.empty(TILE, np.float32)
    for r in range(recordings):
        for first in range(0, size, TILE):
            count = min(TILE, size - first)
            a, w = view(v, r * size + first, count), view(u, r * size + first, count)
            k, g, b = view(keep, first, count), view(gain, first, count), view(bias, first, count)
            limit, to = view(threshold, first, count), view(reset, first, count)
            uk, ug = view(current_keep, first, count), view(current_gain, first, count)
            for t in range(steps):
                at = (r * steps + t) * size + first
                arriving = view(x, at, count)
                if plain:
                    fired = view(spikes, at, count)
                    for i in range(count):
                        potential = k[i] * a[i] + g[i] * arriving[i] + b[i]
                        spike = potential > limit[i]
                        fired[i] = spike
                        a[i] = to[i] if spike else potential
                else:
                    p = view(potentials, 0, count)
                    for i in range(count):
                        current = arriving[i]
                        if decays_current:
                            current = uk[i] * w[i] + ug[i] * current
                            w[i] = current
                        p[i] = k[i] * a[i] + g[i] * current + b[i]
                    if spiking:
                        fired = view(spikes, at, count)
                        for i in range(count):
                            if resets and late and a[i] > limit[i]:
                                p[i] = p[i] - to[i] if softly else to[i]
                            fired[i] = p[i] > limit[i]
                            if resets and not late and p[i] > limit[i]:
                                p[i] = p[i] - to[i] if softly else to[i]
                    for i in range(count):
                        a[i] = p[i]
                if u_out.shape[1]:
                    ending = view(u_out, at, count)
                    of = w if decays_current else arriving
                    for i in range(count):
                        ending[i] = of[i]
                if v_out.shape[1]:
                    ending = view(v_out, at, count)
                    for i in range(count):
                        ending[i] = a[i]
