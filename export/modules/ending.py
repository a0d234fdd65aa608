"""What a module gives: the spikes of a layer, step by step or added up, or a value that is to be added up."""

from dataclasses import dataclass

import numpy as np

from export.modules.folding import Keys
from export.modules.refusal import ModuleRefusedError
from export.modules.tracing import Traced
from export.modules.values import Made, Value


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
        value, step, added = _one_step(value, step, traced.steps, keys)
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


def _one_step(value: Value, step: int, steps: int, keys: Keys) -> tuple[Value, int, bool]:
    """The value of one step, where an output adds up all of them; the step; whether it adds them up."""
    while (made := value.only) is not None and made.kind == "affine" and _is_mean(made):
        value = made.value
    when = sorted({piece.made.step for piece in value.pieces})
    if len(when) == 1:
        return value, when[0], False
    one_by_one = [Value(value.shape, tuple(p for p in value.pieces if p.made.step == t)) for t in when]
    alike = {keys.value(each, t) for each, t in zip(one_by_one, when, strict=True)}
    if when != list(range(steps)) or len(alike) > 1 or value.constant is not None:
        raise ModuleRefusedError(
            "what the module returns mixes some steps with others; return its output step by step, or their sum"
        )
    return one_by_one[-1], when[-1], True


def _is_mean(made: Made) -> bool:
    factor, shift = made.call.parameters["factor"], made.call.parameters["shift"]
    return bool(np.all(factor == factor[0]) and factor[0] > 0 and not shift.any())
