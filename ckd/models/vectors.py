"""The inner loop of sparse sums in LLVM's vector instructions, which every processor has.

Numba's cache does not notice a change to this file: whoever makes one changes `sparse_kernels.py` and
`block_kernels.py` as well.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = (128, 64, 32, 16)
"""How many numbers are summed side by side: widths that vector registers hold."""

_instructions: Any = intrinsic


@_instructions
def add_rows(
    typing: Any, total: Any, at: Any, table: Any, first: Any, row: Any, value: Any, start: Any, stop: Any, width: Any
) -> Any:
    """total[at : at + width] += value[k] table[first + row[k] width : ... + width] for k from start to stop, in order.

    All arrays contiguous, numbers float32, rows int32; at least one k; width one of `LANES`. The total stays in
    registers: left to itself the compiler reads and writes it for every row. Nothing is fused.
    """
    word, single = ir.IntType(64), ir.FloatType()

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def data(place: int) -> Any:
            return context.make_array(signature.args[place])(context, builder, args[place]).data

        arrays = [data(place) for place in (0, 2, 4, 5)]
        places = [args[place] for place in (1, 3, 6, 7)]
        after = builder.append_basic_block()
        choice = builder.switch(args[8], after)
        for lanes in LANES:
            block = builder.append_basic_block()
            choice.add_case(word(lanes), block)
            builder.position_at_end(block)
            loop_of(builder, lanes, arrays, places)
            builder.branch(after)
        builder.position_at_end(after)
        return context.get_dummy_value()

    def loop_of(builder: Any, lanes: int, arrays: Any, places: Any) -> None:
        (total, table, row, value), (at, first, start, stop) = arrays, places
        vector = ir.VectorType(single, lanes)

        def pointer(array: Any, place: Any) -> Any:
            return builder.bitcast(builder.gep(array, [place]), vector.as_pointer())

        to = pointer(total, at)
        begin = builder.load(to, align=4)
        entry, loop, done = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        k, so_far = builder.phi(word), builder.phi(vector)
        place = builder.mul(builder.sext(builder.load(builder.gep(row, [k])), word), word(lanes))
        read = builder.load(pointer(table, builder.add(first, place)), align=4)
        one = builder.insert_element(vector(ir.Undefined), builder.load(builder.gep(value, [k])), ir.IntType(32)(0))
        everywhere = builder.shuffle_vector(one, vector(ir.Undefined), ir.VectorType(ir.IntType(32), lanes)(None))
        more, following = builder.fadd(so_far, builder.fmul(everywhere, read)), builder.add(k, word(1))
        for phi, before, later in ((k, start, following), (so_far, begin, more)):
            phi.add_incoming(before, entry)
            phi.add_incoming(later, loop)
        builder.cbranch(builder.icmp_signed("<", following, stop), loop, done)
        builder.position_at_end(done)
        builder.store(more, to, align=4)

    return types.void(total, at, table, first, row, value, start, stop, width), generate
