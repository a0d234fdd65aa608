"""What a module gives: the spikes of a layer, step by step or added up, or a value that is to be added up."""

from dataclasses import dataclass, replace

import numpy as np

from export.modules.folding import Keys
from export.modules.refusal import ModuleRefusedError
from export.modules.tracing import Traced
from export.modules.values import Made, Piece, Value


@dataclass(frozen=True)
class Ending:
    """value: the output in step `step`. layer: the number of the layer whose output it is, None where it is another
    value. potential: it is that layer's potential. integrates: an integrator adds the output up."""

    value: Value
    step: int
    layer: int | None
    potential: bool
    integrates: bool


def ending_of(traced: Traced, keys: Keys) -> Ending:
    """Find out what the output of a module is.

    Raises:
        ModuleRefusedError: it cannot be told, or mixes the steps in a way that no network does.
    """
    step = max(traced.output)
    value, added = traced.output[step], False
    if len(traced.output) == 1:
        whole = _over_time(value, step, traced.steps, keys)
        value, step, added = whole.value, whole.step, whole.added
    while (made := value.only) is not None and made.kind == "affine" and _is_mean(made) and made.value.only is not None:
        value = made.value  # a factor changes no prediction
    made = value.only
    if made is None or made.kind not in ("cells", "potential"):
        return Ending(value, step, None, False, True)
    cells = traced.layers[made.cells].cells
    if made.kind == "potential":
        if cells.spikes and cells.reset_mechanism != "none":
            raise ModuleRefusedError(
                f"{made.call.place}: the module gives the potential of neurons that reset; return their spikes, or use "
                "neurons without a reset (reset_mechanism='none')"
            )
        return Ending(value, step, made.cells, True, added)
    return Ending(value, step, made.cells, False, added and not cells.spikes)


@dataclass(frozen=True)
class _OverTime:
    """A value that is `factor` times the sum over all steps of another one, or that other one alone (not `added`)."""

    value: Value
    step: int
    added: bool
    factor: float


def _over_time(value: Value, step: int, steps: int, keys: Keys) -> _OverTime:
    """What an output that is given once adds up."""
    made = value.only
    if made is not None and made.kind == "affine" and _is_mean(made):
        inner = _over_time(made.value, step, steps, keys)
        return replace(inner, factor=inner.factor * float(made.call.parameters["factor"][0]))
    if made is not None and made.kind == "linear" and len(_steps(made.value)) > 1:
        return _layer_over_time(made, steps, keys)
    when = _steps(value)
    if len(when) == 1:
        return _OverTime(value, when[0], False, 1.0)
    one_by_one = [Value(value.shape, tuple(p for p in value.pieces if p.made.step == t)) for t in when]
    alike = {keys.value(each, t) for each, t in zip(one_by_one, when, strict=True)}
    if when != list(range(steps)) or len(alike) > 1 or value.constant is not None:
        raise ModuleRefusedError(
            "what the module returns mixes some steps with others; return its output step by step, or their sum"
        )
    return _OverTime(one_by_one[-1], when[-1], True, 1.0)


def _layer_over_time(made: Made, steps: int, keys: Keys) -> _OverTime:
    """A linear layer over a mean or sum of all steps, as the same over each step: it may be exchanged with the sum."""
    inner = _over_time(made.value, made.step, steps, keys)
    bias = made.call.parameters["bias"]
    if bias is not None and not np.isclose(inner.factor * steps, 1):
        raise ModuleRefusedError(
            f"{made.call.place}: adds its bias once to a sum over all steps; take the mean over them, or leave "
            "the bias out"
        )
    call = replace(made.call, number=-1)
    layer = Made(call, inner.step, made.shape, inner.value)
    return replace(inner, value=Value(made.shape, (Piece(layer),)))


def _steps(value: Value) -> list[int]:
    """The steps that a value is made of, through means of them."""
    only = value.only
    if only is not None and only.kind == "affine":
        return _steps(only.value)
    return sorted({piece.made.step for piece in value.pieces})


def _is_mean(made: Made) -> bool:
    factor, shift = made.call.parameters["factor"], made.call.parameters["shift"]
    return bool(np.all(factor == factor[0]) and factor[0] > 0 and not shift.any())
