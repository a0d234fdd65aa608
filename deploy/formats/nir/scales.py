"""Integers of the grid as NIR parameters and back, without loss (see "Scales" in the docs of the grid).

With k the scale of the neuron that a synapse feeds, dv and du its decays:

    weight = w * 2^weight_exp / 2^k     threshold = vth / 2^k     bias = b / 2^(k + 6)      exact in float32
    tau = dt * 4096 / dv                tau_syn = dt * 4096 / (du + 1)                      recovered by rounding
    r = tau / dt, w_in = tau_syn / dt   so that an input of 1 raises the potential by 1

A bias goes on the synapse that feeds the neuron, where NIR has a place for it; where the current decays, or the bias
differs within a channel, it is a leak potential: v_leak = b / 2^(k + 6) * 4096 / dv.
"""

import json
from collections.abc import Mapping
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.errors import GridError, ModelError
from deploy.formats.metadata import from_json
from deploy.grid import DECAY_ONE, STATE_BITS
from deploy.network import Array, Shape

LARGEST_EXPONENT = 100
"""No scale or weight exponent is larger; float32 ends soon after."""

FLOAT32_RELATIVE = 2.0**-22
"""What two roundings to float32 can lose: a parameter this close to a whole number is one."""


def exact32(name: str, what: str, values: Array | float) -> NDArray[np.float32]:
    """`values` in float32. Raises GridError where that changes one."""
    exact = np.asarray(values, np.float64)
    out = exact.astype(np.float32)
    if not np.array_equal(out.astype(np.float64), exact):
        worst = exact.ravel()[int(np.argmax(np.abs(out - exact)))]
        raise GridError(f"{name}: {what} {worst} is not exact in float32; quantize the network again")
    return out


def integers(name: str, what: str, values: Array, relative: float = 0.0) -> NDArray[np.int64]:
    """`values` as whole numbers; off by at most `relative` of their size. Raises GridError for any other."""
    exact = np.asarray(values, np.float64)
    whole = np.rint(exact)
    off = ~(np.abs(exact - whole) <= relative * np.abs(exact)) | ~(np.abs(exact) < 2.0**53)
    if off.any():
        worst = exact.ravel()[int(np.argmax(off.ravel()))]
        raise GridError(
            f"{name}: {what} is {worst} on the grid, a whole number is expected; the file was changed after its "
            "export. Export it again, or compile the float network"
        )
    return whole.astype(np.int64)


def decay_to_tau(name: str, decay: Array, dt: float, shape: Shape) -> NDArray[np.float32]:
    """tau = dt * 4096 / decay, one value a neuron; decay is dv, or du + 1 for a current."""
    if np.any(decay < 1) or np.any(decay > DECAY_ONE):
        raise GridError(f"{name}: decay {decay} where 1 to {DECAY_ONE} is allowed")
    return np.broadcast_to((dt * DECAY_ONE / decay).astype(np.float32), shape).copy()


def tau_to_decay(name: str, tau: Array, dt: float) -> NDArray[np.int64]:
    """The inverse of `decay_to_tau`: exact, since float32 is 2^11 times finer than the decays."""
    with np.errstate(divide="ignore"):
        decay = integers(name, "4096 dt / tau", dt * DECAY_ONE / tau.astype(np.float64), FLOAT32_RELATIVE)
    if (decay < 1).any() or (decay > DECAY_ONE).any():
        raise GridError(f"{name}: decays from {decay.min()} to {decay.max()} where 1 to {DECAY_ONE} is allowed")
    return decay


def state_units(k: int) -> float:
    """How many units of the state (2^-6 of a weight) make 1 in the file."""
    return 2.0 ** (k + STATE_BITS)


def describe(arrays: Mapping[str, Array | None]) -> str:
    """The element type and shape of each array as JSON, so that reading gives the same ones back."""
    return json.dumps({name: [a.dtype.name, list(a.shape)] for name, a in arrays.items() if a is not None})


def restore(name: str, text: Any, values: Mapping[str, Array]) -> dict[str, Array]:
    """Give full arrays the element type and shape they were described with.

    An array that no longer fits its compact shape (someone edited single neurons) stays full.
    """
    try:
        forms: dict[str, tuple[str, list[int]]] = from_json(text)
        return {
            key: _compact(_typed(full, forms[key][0]), tuple(map(index, forms[key][1]))) for key, full in values.items()
        }
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ModelError(f"{name}: its metadata is damaged ({error!r:.60}); export the network again") from error


def _typed(full: Array, name: str) -> Array:
    kind = np.dtype(name)
    out = full.astype(kind) if kind.kind in "iu" else full
    # A value that was edited may need a wider type than the one it was written with.
    return out if np.array_equal(out, full) else full


def _compact(full: Array, shape: Shape) -> Array:
    padded = (1,) * (full.ndim - len(shape)) + shape
    first = full[tuple(slice(None) if n == m else slice(0, 1) for n, m in zip(padded, full.shape, strict=True))]
    same = np.array_equal(np.broadcast_to(first, full.shape), full) and first.size == int(np.prod(shape))
    return np.ascontiguousarray(first).reshape(shape) if same else full
