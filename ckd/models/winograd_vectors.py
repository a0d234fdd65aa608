"""Products and transforms of Winograd's convolution in LLVM's vector instructions, which every processor has.

Numba's cache does not notice a change to this file: whoever makes one changes `winograd_kernels.py` as well.
"""

from functools import partial
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from ckd.events.types import Float
from ckd.models.instructions import WORD, by_case, everywhere, load, pointer, times, vector

VECTOR = 16
"""Floats that a transform takes together."""

ROWS = {64: 4, 32: 8, 16: 8}
"""How many rows `multiply` makes together, by how many columns: as many sums as a processor's registers hold."""


def _features() -> dict[str, bool]:
    try:
        return dict(binding.get_host_cpu_features())
    except RuntimeError:
        return {}


USABLE = _features().get("fma", False)
"""Whether this processor has the instructions that the kernels were measured with."""

LANES = (64, 32, 16) if _features().get("avx512f") else (16,)
"""How many columns a product may take together on this processor. What is summed, and in which order, is the same."""

POINTS = (0.0, 0.625, -0.625, 1.5, -1.5)
"""Where the polynomials are evaluated, beside infinity: of the symmetric ones with few bits those that round least."""


def _matrices(outputs: int, taps: int) -> dict[str, list[list[float]]]:
    """Of F(outputs, taps) of Winograd by Toom and Cook: y = A ((G w) * (B x)) (Lavin and Gray, CVPR 2016).

    B for images, G for weights, A for outputs; then A and G the other way, for the gradient of weights.
    """
    places = outputs + taps - 1
    others = [[y for y in POINTS if y != x] for x in POINTS]
    b, g, a = np.zeros((places, places)), np.zeros((places, taps)), np.zeros((outputs, places))
    for i, (x, rest) in enumerate(zip(POINTS, others, strict=True)):
        b[i, :-1] = np.poly(rest)[::-1]
        g[i] = x ** np.arange(taps) / np.prod(x - np.array(rest))
        a[:, i] = x ** np.arange(outputs)
    b[-1], g[-1, -1], a[-1, -1] = np.poly(POINTS)[::-1], 1, 1
    return {name: matrix.tolist() for name, matrix in {"B": b, "G": g, "A": a, "AT": a.T, "GT": g.T}.items()}


MATRICES = _matrices(4, 3)
NUMBER = {name: number for number, name in enumerate(MATRICES)}
"""What `transform` takes for a matrix."""

_instructions: Any = intrinsic


def _fused(builder: Any, lanes: int, a: Any, b: Any, c: Any) -> Any:
    """a b + c with one rounding."""
    kind = ir.FunctionType(vector(lanes), [vector(lanes)] * 3)
    name = f"llvm.fma.v{lanes}f32"
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(function, [a, b, c])


@_instructions
def multiply(
    typing: Any,
    out: Any,
    out_at: Any,
    left: Any,
    left_at: Any,
    left_row: Any,
    left_column: Any,
    right: Any,
    right_at: Any,
    depth: Any,
    lanes: Any,
    fresh: Any,
) -> Any:
    """Rows i < ROWS[lanes] of out, each of `lanes` columns: out += left right.

    The product is summed fused, k from 0 to depth in order, before it joins what was there: sums of sums round less
    than one long sum. If `fresh`, what out holds is of no account: out = left right.

    All float32 and contiguous: out[out_at + i lanes ...], left[left_at + i left_row + k left_column],
    right[right_at + k lanes ...].
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def data(place: int) -> Any:
            return context.make_array(signature.args[place])(context, builder, args[place]).data

        to, a, b = data(0), data(2), data(6)
        by_case(builder, args[9], {width: partial(product, builder, width, (to, a, b), args) for width in LANES})
        return context.get_dummy_value()

    def product(builder: Any, width: int, arrays: tuple[Any, Any, Any], args: Any) -> None:
        (to, a, b), (out_at, left_at, row, column, right_at, depth) = arrays, (*args[1:2], *args[3:6], *args[7:9])
        places = [builder.add(out_at, WORD(i * width)) for i in range(ROWS[width])]
        begins = [builder.add(left_at, builder.mul(row, WORD(i))) for i in range(ROWS[width])]

        def body(k: Any, sums: list[Any]) -> list[Any]:
            values = load(builder, b, builder.add(right_at, builder.mul(k, WORD(width))), width)
            step = builder.mul(k, column)
            factors = [builder.load(builder.gep(a, [builder.add(begin, step)])) for begin in begins]
            return [
                _fused(builder, width, everywhere(builder, factor, width), values, so_far)
                for factor, so_far in zip(factors, sums, strict=True)
            ]

        nothing = vector(width)([0.0] * width)
        sums = times(builder, WORD(0), depth, 1, [nothing] * len(places), body)
        for value, place in zip(sums, places, strict=True):
            before = builder.select(args[10], nothing, load(builder, to, place, width))
            builder.store(builder.fadd(before, value), pointer(builder, to, place, width), align=4)

    kinds = (out, out_at, left, left_at, left_row, left_column, right, right_at, depth, lanes, fresh)
    return types.void(*kinds), generate


@_instructions
def transform(
    typing: Any,
    out: Any,
    out_at: Any,
    out_row: Any,
    out_column: Any,
    of: Any,
    of_at: Any,
    of_row: Any,
    of_column: Any,
    count: Any,
    number: Any,
) -> Any:
    """out[i, j] = sum P[i, k] of[k, l] P[j, l] for `count` channels that lie side by side, a multiple of `VECTOR`.

    P is the matrix of this `NUMBER`; element (i, j) of an array begins at at + i row + j column.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def data(place: int) -> Any:
            return context.make_array(signature.args[place])(context, builder, args[place]).data

        def channels(matrix: Any) -> None:
            def body(c: Any, _: list[Any]) -> list[Any]:
                sandwich(builder, np.array(matrix, np.float32), data(0), data(4), args, c)
                return []

            times(builder, WORD(0), args[8], VECTOR, [], body)

        by_case(builder, args[9], {NUMBER[name]: partial(channels, matrix) for name, matrix in MATRICES.items()})
        return context.get_dummy_value()

    def sandwich(builder: Any, matrix: Float, out: Any, of: Any, args: Any, c: Any) -> None:
        def place(of_array: Any, i: int, j: int) -> Any:
            at, row, column = of_array
            offset = builder.add(builder.mul(row, WORD(i)), builder.mul(column, WORD(j)))
            return builder.add(builder.add(at, c), offset)

        rows, columns = matrix.shape
        # A column at a time, so that few values are alive.
        half = [
            combine(builder, matrix, [load(builder, of, place(args[5:8], k, m), VECTOR) for k in range(columns)])
            for m in range(columns)
        ]
        for i in range(rows):
            for j, value in enumerate(combine(builder, matrix, [half[m][i] for m in range(columns)])):
                builder.store(value, pointer(builder, out, place(args[1:4], i, j), VECTOR), align=4)

    def combine(builder: Any, matrix: Float, values: list[Any]) -> list[Any]:
        return [combination(builder, row, values) for row in matrix]

    def combination(builder: Any, factors: Float, values: list[Any]) -> Any:
        """The sum of the values times their factors, in order; those of zero are left out."""
        total: Any = None
        for factor, value in zip(factors.tolist(), values, strict=True):
            if not factor:
                continue
            constant = vector(VECTOR)([factor] * VECTOR)
            if total is None:
                total = value if factor == 1 else builder.fmul(value, constant)
            elif abs(factor) == 1:
                total = builder.fadd(total, value) if factor > 0 else builder.fsub(total, value)
            else:
                total = _fused(builder, VECTOR, value, constant, total)
        return total

    return types.void(out, out_at, out_row, out_column, of, of_at, of_row, of_column, count, number), generate
