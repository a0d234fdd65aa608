"""Weights that differ by one rule, in all outputs, in some, or in what some inputs bring: the words for it."""

from collections.abc import Iterable

import numpy as np

from deploy.checking.divergence.orders import order_in_words, permutation
from deploy.checking.divergence.places import numbers
from deploy.network import Array

FEW = 4
"""So few weights follow a rule by chance: they are told one by one."""


def rule_in_words(
    variants: Iterable[tuple[str, str, Array]], here: Array, there: Array, seen: Array | None = None
) -> tuple[str, str] | None:
    """(kind, text) of the rule by which `there` follows from `here`; None where it is none that is known.

    Args:
        variants: kind, text and weights of every way in which all of them may be read wrongly.
        here, there: (outputs, inputs, ...).
        seen: bool, the weights of an output, (inputs, ...), of which anything is known; None: all of them.
    """
    known = np.ones(here.shape[1:], bool) if seen is None else seen
    here, there = here * known, there * known
    apart = there != here
    if apart.sum() <= FEW:
        return None
    zeroed = None if np.any(there[apart]) else _zeroed(here, there)
    if zeroed is not None:
        return zeroed
    one_sign = [("weight-sign", "the weights are none below 0, without their sign", abs(here))]
    one_sign += [("weight-sign", "the weights are none above 0, with one sign", -abs(here))]
    made = [*one_sign, *((kind, text, variant * known) for kind, text, variant in variants)]
    for kind, text, variant in made:
        if np.array_equal(variant, there):
            return kind, text
    order = permutation(here, there, 0)
    if order is not None:
        return "output-order", order_in_words("output", order)
    for kind, text, variant in made:
        for axis in (0, 1):
            rows = _rows(apart, axis)
            if np.array_equal(variant.take(rows, axis), there.take(rows, axis)):
                return kind, f"{text}, {_of(axis, rows)}"
    return None


def _rows(apart: Array, axis: int) -> Array:
    return np.flatnonzero(np.moveaxis(apart, axis, 0).reshape(apart.shape[axis], -1).any(axis=1))


def _of(axis: int, rows: Array) -> str:
    return f"in {numbers('input' if axis else 'output', rows.tolist())}"


def _zeroed(here: Array, there: Array) -> tuple[str, str] | None:
    """Whole outputs or inputs, a diagonal, what lies beyond so many outputs of an input."""
    for axis, kind in ((0, "dead-neuron"), (1, "input-disconnected")):
        rows = _rows(there != here, axis)
        if not np.any(there.take(rows, axis)):
            return kind, "all weights are 0" + ("" if len(rows) == here.shape[axis] else f" {_of(axis, rows)}")
    if here.ndim == 2 and np.array_equal(np.where(np.eye(*here.shape, dtype=bool), 0, here), there):
        return "weight-rule", "the weights of the diagonal are 0: no neuron feeds itself"
    most = int((there != 0).sum(axis=0).max())
    if here.ndim == 2 and np.array_equal(np.where(np.cumsum(here != 0, axis=0) <= most, here, 0), there):
        return "fan-out", f"an input reaches no more than {most} outputs, the first; the weights behind them are 0"
    return None
