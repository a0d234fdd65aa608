"""The parameters of NIR nodes as a file holds them, checked one by one before a node is made of them."""

from collections.abc import Callable
from typing import Any

import nir
import numpy as np

from deploy.errors import ModelError, UnsupportedError, shown
from deploy.network import Array, Pair, Shape

KNOWN = frozenset(
    (
        *("Input", "Output", "Flatten", "Delay"),
        *("Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d"),
        *("IF", "LIF", "CubaLIF", "I", "LI", "CubaLI", "Threshold"),
    )
)
INITIAL = frozenset(
    f"{state}{end}" for state in ("v", "u", "i", "state") for end in ("0", "_0", "_init", "_initial")
) | {"initial_state", "initial_v", "initial_u", "initial_i", "init_state", "init_v", "init_u", "init_i"}
"""Fields, none of them NIR's own, that say with what a neuron begins."""

LARGEST = 1 << 31
"""No size, stride or number of neurons is larger."""


def parse(name: str, tree: dict[str, Any]) -> nir.NIRNode:
    """The NIR node that a dictionary from a file describes: whole numbers as int, pairs as tuples, the rest as floats.

    Raises:
        UnsupportedError: a node that this toolchain does not know.
        ModelError: a parameter is missing, unknown, of a wrong type or shape, infinite or not a number.
    """
    kind = tree["type"]
    if kind not in KNOWN:
        way_out = "known are " + ", ".join(sorted(KNOWN))
        if "maxpool" in kind.lower():
            way_out = "a maximum is no sum of spikes and no chip here takes it; train with AvgPool2d or strided Conv2d"
        raise UnsupportedError(f"{name}: NIR node {kind} cannot be read; {way_out}")
    place = f"{name} ({kind})"
    # An infinite time constant, and the resistance made from it, get a message of their own with the way out.
    endless = any(field.startswith("tau") and _has_infinity(value) for field, value in tree.items())
    clean: dict[str, Any] = {"type": kind}
    for field, value in tree.items():
        if field in FLOATS:
            clean[field] = _floats(place, field, value, infinite=endless)
        elif field in CHECKS:
            clean[field] = CHECKS[field](place, field, value)
        elif field in INITIAL:
            _refuse_beginnings(place, field, value)
        elif field == "metadata":
            clean[field] = value if isinstance(value, dict) else {}
        elif field not in ("type", "input_shape"):
            raise ModelError(f"{place}: parameter {field!r} is not known; a newer NIR? Export it with nir 1.0")
    if kind in ("Conv1d", "Conv2d"):
        # Without it nir leaves the output's shape alone, which it infers wrongly; ours comes from the graph.
        clean["input_shape"] = None
    try:
        return nir.dict2NIRNode(clean)  # pyright: ignore[reportReturnType]
    except (TypeError, ValueError, KeyError, AssertionError) as error:
        reason = str(error).strip().partition("\n")[0] or repr(error)
        raise ModelError(f"{place}: its parameters do not make a node: {reason}; export it again") from error


def shape_of(place: str, field: str, value: Any) -> Shape:
    """A shape as a tuple of positive ints."""
    numbers = _whole(place, field, value)
    if numbers.ndim != 1 or (numbers < 1).any() or np.prod(numbers.astype(np.float64)) > LARGEST:
        raise ModelError(f"{place}: {field} {numbers.tolist()} is no shape of at most {LARGEST} values")
    return tuple(int(n) for n in numbers)


def _floats(place: str, field: str, value: Any, *, infinite: bool) -> Array:
    numbers = np.asarray(value)
    if numbers.dtype.kind not in "biuf" or numbers.size == 0:
        raise ModelError(f"{place}: {field} is {shown(value)} where an array of numbers is expected")
    if numbers.dtype.kind != "f" or numbers.dtype.itemsize < 4:
        numbers = numbers.astype(np.float64)
    if not (np.isfinite(numbers) | (infinite & np.isinf(numbers))).all():
        raise ModelError(f"{place}: {field} holds values that are infinite or not a number; train again")
    if np.any(np.abs(numbers[np.isfinite(numbers)]) > np.finfo(np.float32).max):
        raise ModelError(f"{place}: {field} holds values beyond float32, {np.finfo(np.float32).max:.3g}; rescale them")
    return numbers


def _refuse_beginnings(place: str, field: str, value: Any) -> None:
    numbers = np.asarray(value)
    if numbers.dtype.kind not in "biuf" or np.any(numbers != 0):
        raise UnsupportedError(f"{place}: {field} is {shown(value)}, here all neurons begin with 0; export without it")


def _whole(place: str, field: str, value: Any) -> Array:
    numbers = np.atleast_1d(np.asarray(value))
    exact = numbers.astype(np.float64) if numbers.dtype.kind in "biuf" else np.array([np.nan])
    if not numbers.size or not (np.abs(exact) <= LARGEST).all() or (exact != np.rint(exact)).any():
        raise ModelError(f"{place}: {field} is {shown(value)} where whole numbers up to {LARGEST} are expected")
    return exact.astype(np.int64)


def _one(least: int) -> Callable[[str, str, Any], int]:
    def check(place: str, field: str, value: Any) -> int:
        numbers = _whole(place, field, value)
        if numbers.size != 1 or numbers.flat[0] < least:
            raise ModelError(f"{place}: {field} (={shown(value)}) must be one whole number of at least {least}")
        return int(numbers.flat[0])

    return check


def _pair(least: int) -> Callable[[str, str, Any], Pair]:
    def check(place: str, field: str, value: Any) -> Pair:
        numbers = _whole(place, field, value)
        if numbers.size > 2 or (numbers < least).any():
            raise ModelError(f"{place}: {field} (={shown(value)}) must be one or two whole numbers of at least {least}")
        return int(numbers.flat[0]), int(numbers.flat[-1])

    return check


def _padding(place: str, field: str, value: Any) -> Pair | str:
    if isinstance(value, str):
        if value not in ("same", "valid"):
            raise ModelError(f"{place}: {field} is {shown(value)} where 'same', 'valid' or numbers are expected")
        return value
    return _pair(0)(place, field, value)


def _node_shape(place: str, field: str, value: Any) -> Array:
    return np.array(shape_of(place, field, value))


def _has_infinity(value: Any) -> bool:
    numbers = np.asarray(value)
    return numbers.dtype.kind == "f" and bool(np.isinf(numbers).any())


FLOATS = frozenset(
    (
        *("weight", "bias", "scale", "threshold", "delay"),
        *("tau", "tau_mem", "tau_syn", "r", "v_leak", "w_in", "v_threshold", "v_reset"),
    )
)
CHECKS: dict[str, Callable[[str, str, Any], Any]] = {
    "stride": _pair(1),
    "dilation": _pair(1),
    "kernel_size": _pair(1),
    "padding": _padding,
    "groups": _one(1),
    "start_dim": _one(-8),
    "end_dim": _one(-8),
    "shape": _node_shape,
    "input_type": _node_shape,
}
