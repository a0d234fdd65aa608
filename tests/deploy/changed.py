"""Traces changed in one of their layers, and compared field by field."""

from dataclasses import fields, replace

import numpy as np

from deploy.network import Array
from deploy.traces.layers import KINDS, LayerRecord
from deploy.traces.trace import Trace


def changed(trace: Trace, layer: str, **fields: Array | int | None) -> Trace:
    """The same trace with other fields in one layer; None takes one out."""
    return replace(trace, layers={**trace.layers, layer: trace.layers[layer].replace(**fields)})


def same_traces(a: Trace, b: Trace, *, apart_from: frozenset[str] = frozenset({"seconds"})) -> bool:
    """Whether every field of two traces is equal, arrays to the last bit, apart from those named."""
    return all(_same(getattr(a, f.name), getattr(b, f.name)) for f in fields(Trace) if f.name not in apart_from)


def _same(a: object, b: object) -> bool:
    match a, b:
        case dict(), dict():
            return list(a) == list(b) and all(_same(a[key], b[key]) for key in a)
        case LayerRecord(), LayerRecord():
            kinds = [kind for kind in KINDS if kind in a or kind in b]
            return (a.offset, a.overflows) == (b.offset, b.overflows) and all(_same(a.get(k), b.get(k)) for k in kinds)
        case np.ndarray(), np.ndarray():
            return a.dtype == b.dtype and np.array_equal(a, b)
        case _:
            return bool(a == b) if not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray) else False
