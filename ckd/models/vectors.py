"""The inner loop of sparse sums in LLVM's vector instructions, which every processor has.

Numba's cache does not notice a change to this file: whoever makes one changes `sparse_kernels.py` and
`block_kernels.py` as well.
"""

from functools import partial
from typing import Any

from numba import types
from numba.extending import intrinsic

from ckd.models.instructions import WORD, by_case, everywhere, load, pointer, times

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

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def data(place: int) -> Any:
            return context.make_array(signature.args[place])(context, builder, args[place]).data

        arrays = [data(place) for place in (0, 2, 4, 5)]
        places = [args[place] for place in (1, 3, 6, 7)]
        by_case(builder, args[8], {lanes: partial(loop_of, builder, lanes, arrays, places) for lanes in LANES})
        return context.get_dummy_value()

    def loop_of(builder: Any, lanes: int, arrays: Any, places: Any) -> None:
        (total, table, row, value), (at, first, start, stop) = arrays, places

        def body(k: Any, carried: list[Any]) -> list[Any]:
            place = builder.mul(builder.sext(builder.load(builder.gep(row, [k])), WORD), WORD(lanes))
            read = load(builder, table, builder.add(first, place), lanes)
            factor = everywhere(builder, builder.load(builder.gep(value, [k])), lanes)
            return [builder.fadd(carried[0], builder.fmul(factor, read))]

        (found,) = times(builder, start, stop, 1, [load(builder, total, at, lanes)], body)
        builder.store(found, pointer(builder, total, at, lanes), align=4)

    return types.void(total, at, table, first, row, value, start, stop, width), generate
