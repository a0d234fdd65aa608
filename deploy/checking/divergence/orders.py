"""In which order, and by which factor, the same numbers stand in two arrays of weights."""

from collections.abc import Iterator

import numpy as np

from deploy.network import Array

LISTED = 6


def permutation(expected: Array, found: Array, axis: int) -> Array | None:
    """p with found = expected taken at p along an axis; None where there is none, or where p changes nothing."""
    if expected.shape != found.shape or np.array_equal(expected, found):
        return None
    one, other = (np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1) for values in (expected, found))
    places: dict[bytes, list[int]] = {}
    for i, row in enumerate(one):
        places.setdefault(row.tobytes(), []).append(i)
    order = []
    for j, row in enumerate(other.astype(one.dtype)):
        left = places.get(row.tobytes())
        if not left:
            return None
        # Equal rows stay where they are, so that no more is said to have moved than has.
        order.append(left.pop(left.index(j) if j in left else 0))
    return np.array(order)


def order_in_words(what: str, order: Array) -> str:
    """A permutation for people: two exchanged, all rolled, reversed, or who went where."""
    count, moved = len(order), np.flatnonzero(order != np.arange(len(order)))
    if len(moved) == 2:
        return f"{what}s {moved[0]} and {moved[1]} are swapped"
    by = int((np.arange(count) - order)[0] % count)
    if np.array_equal(np.roll(np.arange(count), by), order):
        way = by if by <= count // 2 else by - count
        return f"{what}s are rolled by {way:+d}"
    if np.array_equal(order, np.arange(count)[::-1]):
        return f"{what}s stand in reverse order"
    listed = ", ".join(f"{j} holds {order[j]}" for j in moved[:LISTED])
    return f"{what}s stand in another order: {listed}" + (
        f" and {len(moved) - LISTED} more" if len(moved) > LISTED else ""
    )


def blocks(flat: Array, size: int) -> Array | None:
    """A permutation of flattened inputs as one of channels of `size` inputs each; None where it is none."""
    if size < 2 or len(flat) % size:
        return None
    rows = flat.reshape(-1, size)
    whole = rows[:, :1] % size == 0
    return rows[:, 0] // size if whole.all() and np.array_equal(rows, rows[:, :1] + np.arange(size)) else None


def turned(weight: Array) -> Iterator[tuple[str, str, Array]]:
    """Kind, description and weights of kernels turned or moved; those that are flipped have names of their own."""
    if weight.ndim != 4:
        return
    if weight.shape[-1] == weight.shape[-2] > 1:
        for quarters, degrees in ((1, 90), (3, 270)):
            text = f"the kernels are turned by {degrees} degrees, counterclockwise"
            yield "kernel-turned", text, np.rot90(weight, quarters, axes=(-2, -1))
        other = weight[..., ::-1, ::-1].swapaxes(-1, -2)
        yield "kernel-axes", "the kernel's axes are swapped along the other diagonal", other
    for axis, way in ((-1, "right"), (-2, "down")):
        for by in (1, -1):
            if weight.shape[axis] > 1:
                opposite = {"right": "left", "down": "up"}[way]
                text = f"the kernels are rolled by one to the {way if by > 0 else opposite}"
                yield (
                    "kernel-rolled",
                    text.replace("to the down", "downward").replace("to the up", "upward"),
                    np.roll(weight, by, axis),
                )


def factor(expected: Array, found: Array) -> float | None:
    """The one factor between two arrays, exactly; None where there is none, or where it is 1."""
    one, other = np.asarray(expected, np.float64).reshape(-1), np.asarray(found, np.float64).reshape(-1)
    if one.shape != other.shape or not one.any():
        return None
    largest = int(np.abs(one).argmax())
    by = float(other[largest] / one[largest])
    return by if by not in (0.0, 1.0) and np.array_equal(one * by, other) else None
