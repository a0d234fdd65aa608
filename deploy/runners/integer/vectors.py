"""A few things that numba cannot say of itself, written in LLVM's vector instructions, which every processor has.

Numba's cache does not notice a change to this file: whoever makes one changes kernels.py and layouts.py beside it and
floating/kernels.py as well, if only a comment.
"""

import sys
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from deploy.network import Array

LANES = (8, 16, 32, 64, 128)
"""How many output channels are summed together: widths that vector registers hold whole."""

WIDTHS = (8, 16, 32, 48, 64, 96, 128, 192)
"""How many weights are added at once: channels, or channels at several neighboring places."""

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_instructions: Any = intrinsic


@_instructions
def view(typing: Any, array: Any, start: Any, size: Any) -> Any:
    """array.ravel()[start : start + size] of a contiguous array, for nothing.

    A slice counts references and may begin at a negative place, which keeps loops from becoming vector code.
    """
    of = types.Array(array.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(array)(context, builder, args[0])
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(array.dtype)))
        view = context.make_array(of)(context, builder)
        shape = cgutils.pack_array(builder, [args[2]])
        strides = cgutils.pack_array(builder, [itemsize])
        data = builder.gep(source.data, [args[1]])
        populate_array(view, data=data, shape=shape, strides=strides, itemsize=itemsize, meminfo=None)
        return view._getvalue()

    return of(array, types.intp, types.intp), generate


@_instructions
def add_rows(typing: Any, total: Any, weight: Any, index: Any, start: Any, stop: Any, offset: Any) -> Any:
    """total (width,) int16 or int32 += the rows weight[index[k] + offset] int16 for k from start to stop, one or more.

    They are added up in registers and in int16. Left to itself the compiler reads and writes the total for every row.
    The width is one of `WIDTHS`.
    """
    word = ir.IntType(64)
    bits = total.dtype.bitwidth

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = zip(signature.args[:3], args[:3], strict=True)
        arrays = [context.make_array(kind)(context, builder, value) for kind, value in kinds]
        after = builder.append_basic_block()
        choice = builder.switch(builder.extract_value(arrays[0].shape, 0), after)
        for width in WIDTHS:
            block = builder.append_basic_block()
            choice.add_case(word(width), block)
            builder.position_at_end(block)
            add_rows_of(builder, width, [array.data for array in arrays], *args[3:])
            builder.branch(after)
        builder.position_at_end(after)
        return context.get_dummy_value()

    def add_rows_of(builder: Any, width: int, data: Any, start: Any, stop: Any, offset: Any) -> None:
        total, weight, index = data
        # Of powers of two, because the compiler takes other vectors apart. Each part with where it begins.
        parts = [(part, width - width % (2 * part)) for part in LANES[::-1] if width & part]
        narrow = [ir.VectorType(ir.IntType(16), part) for part, _ in parts]

        def at(array: Any, place: Any, kind: Any) -> Any:
            return builder.bitcast(builder.gep(array, [place]), kind.as_pointer())

        wide = [ir.VectorType(ir.IntType(bits), part) for part, _ in parts]
        to = [at(total, word(first), kind) for kind, (_, first) in zip(wide, parts, strict=True)]
        begin = [kind(None) if bits > 16 else builder.load(of, align=2) for kind, of in zip(narrow, to, strict=True)]
        entry, loop, done = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)

        builder.position_at_end(loop)
        k, so_far = builder.phi(word), [builder.phi(kind) for kind in narrow]
        row = builder.add(builder.zext(builder.load(builder.gep(index, [k])), word), offset)
        row = builder.mul(row, word(width))
        read = [
            builder.load(at(weight, builder.add(row, word(first)), kind), align=2)
            for kind, (_, first) in zip(narrow, parts, strict=True)
        ]
        rows, following = [builder.add(*pair) for pair in zip(so_far, read, strict=True)], builder.add(k, word(1))
        for phi, before, after in zip([k, *so_far], [start, *begin], [following, *rows], strict=True):
            phi.add_incoming(before, entry)
            phi.add_incoming(after, loop)
        builder.cbranch(builder.icmp_signed("<", following, stop), loop, done)

        builder.position_at_end(done)
        for value, of, kind in zip(rows, to, wide, strict=True):
            more = value if bits == 16 else builder.add(builder.load(of, align=4), builder.sext(value, kind))
            builder.store(more, of, align=bits // 8)

    return types.void(total, weight, index, start, stop, offset), generate


@_instructions
def spiking(typing: Any, array: Any, start: Any) -> Any:
    """Which of the 64 bytes of a contiguous uint8 array from `start` on are not zero, the first in the lowest bit."""
    word, bytes_ = ir.IntType(64), ir.VectorType(ir.IntType(8), 64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(array)(context, builder, args[0])
        at = builder.bitcast(builder.gep(source.data, [args[1]]), bytes_.as_pointer())
        mask = builder.bitcast(builder.icmp_unsigned("!=", builder.load(at, align=1), bytes_(None)), word)
        if sys.byteorder == "little":
            return mask
        return builder.call(builder.module.declare_intrinsic("llvm.bitreverse", [word]), [mask])

    return types.uint64(array, types.intp), generate


@_instructions
def lowest(typing: Any, mask: Any) -> Any:
    """The number of the lowest bit that is set, of a mask that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@_instructions
def ones(typing: Any, mask: Any) -> Any:
    """How many bits are set."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


@numba.njit(nogil=True, boundscheck=False, error_model="numpy")
def which(x: Array, start: int, count: int) -> Any:
    """Which of the `count` <= 64 values of x uint8 from `start` on are not zero; nothing beyond the array is read."""
    if start + 64 <= x.size:
        return spiking(x, start) & (_ALL >> np.uint64(64 - count))
    if start + count >= 64:
        return spiking(x, start + count - 64) >> np.uint64(64 - count)
    mask = np.uint64(0)
    values = view(x, start, count)
    for n in range(count):
        mask |= np.uint64(values[n] != 0) << np.uint64(n)
    return mask
