"""Weights stored in too few bits, or read otherwise than they were packed: signs, neighbors exchanged, rolled."""

from collections.abc import Iterator

import numpy as np

from deploy.network import Array

WIDTHS = (9, 8)
"""Bits of a packed weight: nine with both signs."""


STORED = range(4, 8)
"""Bits of a weight that is stored in fewer than it needs."""
LOST = range(1, 6)


def stored_variants(weight: Array) -> Iterator[tuple[str, str, Array]]:
    """Kind, description and weights of integers that are stored in too few bits, or rounded to fewer."""
    for bits in STORED:
        half = 1 << (bits - 1)
        if np.abs(weight).max(initial=0) < 4 * half:
            yield "weight-wrapped", f"the weights wrap at {bits} bits", (weight + half) % (2 * half) - half
    for bits in LOST:
        low = 1 << bits
        text = f"the {bits} lowest bits of the weights are cut off toward zero, to multiples of {low}"
        yield "weight-bits", text, np.sign(weight) * (np.abs(weight) >> bits << bits)
        text = f"the weights are rounded to multiples of {low}"
        yield "weight-bits", text, (weight + low // 2) >> bits << bits


def packed_variants(weight: Array) -> Iterator[tuple[str, str, Array]]:
    """Kind, description and weights of every way to unpack integers wrongly."""
    for bits in WIDTHS:
        half, whole = 1 << (bits - 1), 1 << bits
        if np.abs(weight).max(initial=0) >= whole:
            continue
        low, negative = np.abs(weight) & (half - 1), weight < 0
        text = f"signs and magnitudes of {bits} bits are read as two's complement"
        yield "weight-encoding", text, np.where(negative, low - half, weight)
        text = f"two's complements of {bits} bits are read as sign and magnitude"
        yield "weight-encoding", text, np.where(negative, -((weight + half) % half), weight)
        text = f"offset binaries of {bits} bits are read as two's complement"
        yield "weight-encoding", text, (weight + half + half) % whole - half
        text = f"the sign bit of {bits} bits is lost: negative weights are {half} more"
        yield "weight-encoding", text, np.where(negative, weight + half, weight)
        text = f"the sign bit of {bits} bits counts as its value: weights are unsigned"
        yield "weight-encoding", text, np.where(negative, weight + whole, weight)
    for count in (2, 4, 8):
        if weight.size % count == 0:
            text = f"of each {count} neighbors in memory the last is read first, as of packed weights in another order"
            yield "weight-packing", text, weight.reshape(-1, count)[:, ::-1].reshape(weight.shape)
    for axis, what in ((1, "input"), (0, "output")):
        for by in (1, -1):
            if weight.shape[axis] > 2:
                text = f"the weights of the {what}s are rolled by {by:+d}: every one has those of a neighbor"
                yield f"{what}-order", text, np.roll(weight, by, axis)
        dealt = np.concatenate([np.arange(weight.shape[axis])[first::2] for first in (0, 1)])
        if len(dealt) > 3:
            text = f"the {what}s stand in another order: the even ones, then the odd ones"
            yield f"{what}-order", text, weight.take(dealt, axis)
            text = f"the {what}s stand in another order: those of two halves in turn"
            yield f"{what}-order", text, weight.take(np.argsort(dealt), axis)
        half = weight.shape[axis] // 2
        if half > 1 and weight.shape[axis] % 2 == 0:
            yield f"{what}-order", f"the two halves of the {what}s are exchanged", np.roll(weight, half, axis)
