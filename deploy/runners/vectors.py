"""Three things that numba cannot say of itself, written in LLVM's vector instructions, which every processor has.

Numba's cache does not notice a change to this file: whoever makes one touches kernels.py as well.
"""

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

LANES = (8, 16, 32, 64, 128)
"""How many output channels are summed together: widths that vector registers hold whole."""

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
    """total (lanes,) int32 += the rows weight[index[k] + offset] int16 for k from start to stop.

    They are added up in registers and in int16. Left to itself the compiler reads and writes the total for every row.
    """
    word = ir.IntType(64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start, stop, offset = args[3:]
        kinds = zip(signature.args[:3], args[:3], strict=True)
        arrays = [context.make_array(kind)(context, builder, value) for kind, value in kinds]
        lanes = builder.extract_value(arrays[0].shape, 0)
        for width in LANES:
            with builder.if_then(builder.icmp_unsigned("==", lanes, word(width))):
                add_rows_of(builder, width, [array.data for array in arrays], start, stop, offset)
        return context.get_dummy_value()

    def add_rows_of(builder: Any, lanes: int, data: Any, start: Any, stop: Any, offset: Any) -> None:
        total, weight, index = data
        narrow, wide = (ir.VectorType(ir.IntType(bits), lanes) for bits in (16, 32))
        entry = builder.block
        loop, done = builder.append_basic_block(), builder.append_basic_block()
        builder.cbranch(builder.icmp_signed("<", start, stop), loop, done)

        builder.position_at_end(loop)
        k, so_far = builder.phi(word), builder.phi(narrow)
        row = builder.add(builder.zext(builder.load(builder.gep(index, [k])), word), offset)
        at = builder.bitcast(builder.gep(weight, [builder.mul(row, word(lanes))]), narrow.as_pointer())
        after, following = builder.add(so_far, builder.load(at, align=2)), builder.add(k, word(1))
        k.add_incoming(start, entry)
        k.add_incoming(following, loop)
        so_far.add_incoming(narrow(None), entry)
        so_far.add_incoming(after, loop)
        builder.cbranch(builder.icmp_signed("<", following, stop), loop, done)

        builder.position_at_end(done)
        rows = builder.phi(narrow)
        rows.add_incoming(narrow(None), entry)
        rows.add_incoming(after, loop)
        to = builder.bitcast(total, wide.as_pointer())
        builder.store(builder.add(builder.load(to, align=4), builder.sext(rows, wide)), to, align=4)

    return types.void(total, weight, index, start, stop, offset), generate


@_instructions
def load_word(typing: Any, array: Any, start: Any) -> Any:
    """The eight bytes of a contiguous uint8 array from `start` on, as one number, the first byte lowest."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(array)(context, builder, args[0])
        at = builder.bitcast(builder.gep(source.data, [args[1]]), ir.IntType(64).as_pointer())
        word = builder.load(at, align=1)
        if sys.byteorder == "little":
            return word
        return builder.call(builder.module.declare_intrinsic("llvm.bswap", [ir.IntType(64)]), [word])

    return types.uint64(array, types.intp), generate
