"""What loops of vector instructions are made of, in LLVM's words: numbers side by side, cases, a loop.

Numba's cache does not notice a change to this file: whoever makes one changes the `_kernels.py` that use it as well.
"""

from collections.abc import Callable, Mapping
from typing import Any

from llvmlite import ir

WORD, SINGLE = ir.IntType(64), ir.FloatType()


def vector(lanes: int) -> Any:
    """So many floats side by side."""
    return ir.VectorType(SINGLE, lanes)


def pointer(builder: Any, array: Any, place: Any, lanes: int) -> Any:
    """To the numbers of an array from a place on."""
    return builder.bitcast(builder.gep(array, [place]), vector(lanes).as_pointer())


def load(builder: Any, array: Any, place: Any, lanes: int) -> Any:
    """The numbers of an array from a place on."""
    return builder.load(pointer(builder, array, place, lanes), align=4)


def everywhere(builder: Any, number: Any, lanes: int) -> Any:
    """One number in all places."""
    one = builder.insert_element(vector(lanes)(ir.Undefined), number, ir.IntType(32)(0))
    return builder.shuffle_vector(one, vector(lanes)(ir.Undefined), ir.VectorType(ir.IntType(32), lanes)(None))


def times(builder: Any, start: Any, stop: Any, step: int, carried: list[Any], body: Any) -> list[Any]:
    """A loop that is run at least once: body(k, carried) -> what is carried on."""
    entry, loop, done = builder.block, builder.append_basic_block(), builder.append_basic_block()
    builder.branch(loop)
    builder.position_at_end(loop)
    k, phis = builder.phi(WORD), [builder.phi(value.type) for value in carried]
    later, following = body(k, phis), builder.add(k, WORD(step))
    end = builder.block
    for phi, first, last in zip([k, *phis], [start, *carried], [following, *later], strict=True):
        phi.add_incoming(first, entry)
        phi.add_incoming(last, end)
    builder.cbranch(builder.icmp_signed("<", following, stop), loop, done)
    builder.position_at_end(done)
    return later


def by_case(builder: Any, value: Any, cases: Mapping[int, Callable[[], None]]) -> None:
    """Does what belongs to the value; nothing where there is no such case."""
    after = builder.append_basic_block()
    choice = builder.switch(value, after)
    for number, make in cases.items():
        block = builder.append_basic_block()
        choice.add_case(WORD(number), block)
        builder.position_at_end(block)
        make()
        builder.branch(after)
    builder.position_at_end(after)
