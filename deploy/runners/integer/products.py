"""Synapses as products of bytes over every input, for layers in which much spikes (`layer_data.Product`).

An input is a count from 0 to 255 and a weight of eight bits; processors with AVX-512 VNNI multiply 64 such pairs in one
instruction and add them up in int32. Modulo 2^32 that is exact, whatever the order; where it is used the bounds prove
that the sum itself fits (`bounds.py`), so no order of sums can leave int32 for good.

Numba's cache does not notice a change to this file: whoever makes one changes kernels.py as well, if only a comment.
"""

from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, register_jitable

from deploy.network import Array, Conv, Input, Node, Pair, SumPool
from deploy.runners.integer.layer_data import Product
from deploy.runners.integer.vectors import LANES

EVENTS_COST = 25
"""How many times as long an event takes as an input that is multiplied, by measurement; of wide blocks it is less."""
WIDE_COST = 800
"""The same times the lanes of a block, from 32 of them on: an event's own cost is then shared by many channels."""

PLACES_TOGETHER = 16
"""Places of the output summed together by one lane of channels or up to 16; wider blocks take fewer (`together`)."""

_instructions: Any = intrinsic
_NONE = np.empty(0, np.int32)
NO_PRODUCT = Product(
    weight=np.empty((0, 0, 0), np.int32),
    at=_NONE,
    events_cost=0,
    words=0,
    taps=0,
    tap=0,
    line=0,
    begin=0,
    size=0,
    window_h=1,
    window_w=1,
    from_width=0,
    channels_first=False,
)
"""For synapses whose weights are no bytes."""


@register_jitable
def together(lanes: int) -> int:
    """How many places of the output are summed at once: their sums fill the vector registers, not more."""
    return min(PLACES_TOGETHER, 256 // lanes)


def multiplies_bytes() -> bool:
    """Whether the compiled code may use AVX-512 VNNI: without it, events are the faster at any activity."""
    forced: str | None = numba.config.CPU_FEATURES  # pyright: ignore
    if forced is not None:
        return "+avx512vnni" in forced.split(",")
    return bool(llvmlite.binding.get_host_cpu_features().get("avx512vnni"))


def can_multiply(node: Conv) -> bool:
    """Whether the weights are bytes, and the inputs of a kernel's row neighbors in memory."""
    small = node.weight.min(initial=0) >= -128 and node.weight.max(initial=0) <= 127
    return bool(small) and node.groups == 1 and (node.dilation[1] == 1 or node.weight.shape[3] == 1)


def product_of(weight: Array, node: Conv, inputs: Pair, outputs: Pair) -> Product:
    """The layout for a convolution of what arrives with its channels innermost.

    Args:
        weight: (blocks, kernel_h * kernel_w * in_channels, lanes) int16.
        node: its geometry, with weights that are bytes.
        inputs: height and width of what arrives.
        outputs: height and width of what leaves.
    """
    blocks, _, lanes = weight.shape
    _, channels, taps, columns = node.weight.shape
    run = columns * channels
    words = -(-run // 4)
    filled = np.zeros((blocks, taps, words * 4, lanes), np.int8)
    filled[:, :, :run] = weight.reshape(blocks, taps, run, lanes)
    packed = filled.reshape(blocks, taps * words, 4, lanes).transpose(0, 1, 3, 2)

    # As large as the windows reach; what a stride leaves over at the far borders is copied and not read.
    padded = [
        max((size - 1) * step + (kernel - 1) * apart + 1, held + pad)
        for size, step, kernel, apart, held, pad in zip(
            outputs, node.stride, (taps, columns), node.dilation, inputs, node.padding, strict=True
        )
    ]
    line = padded[1] * channels
    rows, places = np.arange(outputs[0]) * node.stride[0] * line, np.arange(outputs[1]) * node.stride[1] * channels
    at = (rows[:, None] + places).ravel()
    more = -len(at) % together(lanes)
    return Product(
        weight=np.ascontiguousarray(packed).view(np.int32)[..., 0],
        at=np.pad(at, (0, more)).astype(np.int32),
        events_cost=min(EVENTS_COST, WIDE_COST // lanes) if multiplies_bytes() else 0,
        words=words,
        taps=taps,
        tap=node.dilation[0] * line,
        line=line,
        begin=node.padding[0] * line + node.padding[1] * channels,
        # A run that is filled up to whole words reads beyond its end.
        size=padded[0] * line + 4,
        window_h=1,
        window_w=1,
        from_width=inputs[1],
        channels_first=False,
    )


def read_through(product: Product, before: Node | None, width: int) -> Product:
    """The same for what a pooling or the input before it is given, an image of that width (`scattered.scatter_of`)."""
    if product is NO_PRODUCT:
        return product
    window = before.kernel if isinstance(before, SumPool) else (1, 1)
    return product._replace(
        window_h=window[0], window_w=window[1], from_width=width, channels_first=isinstance(before, Input)
    )


@_instructions
def multiply(
    typing: Any,
    total: Any,
    begin: Any,
    lanes: Any,
    weight: Any,
    row: Any,
    image: Any,
    at: Any,
    place: Any,
    taps: Any,
    tap: Any,
    words: Any,
) -> Any:
    """total[begin:] int32 = the sums of `lanes` channels at `together(lanes)` places.

    Args:
        total: (..., ) int32; (places, lanes) of it from `begin` on are written.
        weight: (rows, lanes) int32, four weights each, read from `row` on: `words` rows for each of the `taps`.
        image: bytes of which place p reads `words` words from at[place + p] on, and `tap` further on for each tap.
        at: int32.
    """
    word, whole = ir.IntType(64), ir.IntType(32)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = {
            name: context.make_array(signature.args[n])(context, builder, args[n]).data
            for name, n in {"total": 0, "weight": 3, "image": 5, "at": 6}.items()
        }
        begin, width, row, place, taps, tap, words = (args[n] for n in (1, 2, 4, 7, 8, 9, 10))
        after = builder.append_basic_block()
        choice = builder.switch(width, after)
        for lanes in LANES:
            block = builder.append_basic_block()
            choice.add_case(word(lanes), block)
            builder.position_at_end(block)
            first = builder.mul(row, word(lanes))
            sums = multiply_of(builder, lanes, data, first, place, taps, tap, words)
            for n, value in enumerate(sums):
                to = builder.gep(data["total"], [builder.add(begin, word(n * value.type.count))])
                builder.store(value, builder.bitcast(to, value.type.as_pointer()), align=4)
            builder.branch(after)
        builder.position_at_end(after)
        return context.get_dummy_value()

    def multiply_of(
        builder: Any, lanes: int, data: Any, first: Any, place: Any, taps: Any, tap: Any, words: Any
    ) -> Any:
        """Two loops, over taps and words, whose sums stay in registers."""
        places = together(lanes)
        kind = ir.VectorType(whole, min(16, lanes))
        parts = lanes // kind.count

        def load(array: Any, at: Any, of: Any) -> Any:
            return builder.load(builder.bitcast(builder.gep(array, [at]), of.as_pointer()), align=1)

        images = []
        for p in range(places):
            at = builder.sext(load(data["at"], builder.add(place, word(p)), whole), word)
            images.append(builder.gep(data["image"], [at]))
        entry, rows, run, end, done = builder.block, *(builder.append_basic_block() for _ in range(4))
        builder.branch(rows)

        builder.position_at_end(rows)
        i, weights_at_row = builder.phi(word), builder.phi(word)
        sums_at_row = [builder.phi(kind) for _ in range(places * parts)]
        image_at_row = builder.mul(i, tap)
        builder.branch(run)

        builder.position_at_end(run)
        k, weights_at = builder.phi(word), builder.phi(word)
        so_far = [builder.phi(kind) for _ in sums_at_row]
        weights = [load(data["weight"], builder.add(weights_at, word(n * kind.count)), kind) for n in range(parts)]
        offset = builder.add(image_at_row, builder.shl(k, word(2)))
        sums = []
        for p in range(places):
            one = builder.insert_element(kind(ir.Undefined), load(images[p], offset, whole), whole(0))
            counts = builder.shuffle_vector(one, kind(ir.Undefined), kind([0] * kind.count))
            sums += [
                products(builder, so_far[p * parts + n], counts, weights[n], kind)  # four bytes of each lane
                for n in range(parts)
            ]
        next_k, next_weights = builder.add(k, word(1)), builder.add(weights_at, word(lanes))
        builder.cbranch(builder.icmp_signed("<", next_k, words), run, end)

        builder.position_at_end(end)
        next_i = builder.add(i, word(1))
        builder.cbranch(builder.icmp_signed("<", next_i, taps), rows, done)
        outer = zip(
            [i, weights_at_row, *sums_at_row],
            [word(0), first, *(kind(None) for _ in sums)],
            [next_i, next_weights, *sums],
            strict=True,
        )
        for phi, before, following in outer:
            phi.add_incoming(before, entry)
            phi.add_incoming(following, end)
        inner = zip(
            [k, weights_at, *so_far],
            [word(0), weights_at_row, *sums_at_row],
            [next_k, next_weights, *sums],
            strict=True,
        )
        for phi, before, following in inner:
            phi.add_incoming(before, rows)
            phi.add_incoming(following, run)
        builder.position_at_end(done)
        return sums

    def products(builder: Any, total: Any, counts: Any, weights: Any, kind: Any) -> Any:
        """total + the four products of unsigned by signed bytes in each lane."""
        if multiplies_bytes():
            name = f"llvm.x86.avx512.vpdpbusd.{32 * kind.count}"
            return builder.call(
                builder.module.declare_intrinsic(name, (), ir.FunctionType(kind, [kind] * 3)), [total, counts, weights]
            )
        for n in range(4):
            up, down = (kind([shift] * kind.count) for shift in (24 - 8 * n, 24))
            count = builder.lshr(builder.shl(counts, up), down)
            total = builder.add(total, builder.mul(count, builder.ashr(builder.shl(weights, up), down)))
        return total

    given = (total, begin, lanes, weight, row, image, at, place, taps, tap, words)
    integers = [types.int64 if isinstance(value, types.Integer) else value for value in given]
    return types.void(*integers), generate
